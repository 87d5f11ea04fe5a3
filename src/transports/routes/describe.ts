import type { Config } from '../../config/config.ts';
import { formatHost } from '../../config/loopback.ts';
import { isSecure } from '../../config/tls.ts';
import type { Route } from './route.ts';

/** Describes routes line by line, for `tablecast check`. */
export function describeRoutes(routes: readonly Route[], { server, app }: Config): readonly string[] {
  if (routes.length === 0) return [];
  const { host, port } = server;
  const base = `http${isSecure(server) ? 's' : ''}://${formatHost(host)}:${port}/${app.appId}${app.routesPrefix}`;
  return ['', 'routes', ...routes.map((route) => describeRoute(route, `${base}/${route.key}`))];
}

function describeRoute(route: Route, url: string): string {
  const methods = route.kind === 'http' ? `${route.methods.join(', ')} ` : '';
  const { access } = route;
  const who = access === undefined ? '' : `, for ${access === 'authenticated' ? access : access.join(' or ')}`;
  const address = route.kind === 'ws' ? url.replace(/^http/, 'ws') : url;
  return `  ${route.kind.padEnd(9)}${methods}${address} (${route.module}${who})`;
}
