import type { AppConfig } from './config.ts';

/** True when an application also has the address that begins with this segment, without its id. */
export type HasShortAddress = (segment: string) => boolean;

/** Returns the application that addresses without an app id name: the one with `default: true`, else the first. */
export function findDefaultApp<A extends Pick<AppConfig, 'default'>>(apps: readonly A[]): A | undefined {
  return apps.find((app) => app.default) ?? apps[0];
}

/** Makes the function that tells for one of the applications of a server which short addresses it has. */
export function makeHasShortAddress(app: AppConfig, apps: readonly AppConfig[]): HasShortAddress {
  if (findDefaultApp(apps) !== app) return () => false;
  const ids = new Set(apps.map(({ appId }) => appId));
  return (segment) => !ids.has(segment);
}

/** Returns the first segment of a path: `api` of `/api/v1`. */
export function firstSegmentOf(path: string): string {
  return path.split('/', 2)[1] ?? '';
}
