import type { RunningServer } from '../boot/boot.ts';
import type { ProjectApp } from '../schema/project-app.ts';

const SHOWN = { rest: 'REST', sse: 'SSE', ws: 'WebSocket' } as const;

/** What is where, for the person at the terminal. */
export function summarize({ url, apps, notices }: Pick<RunningServer, 'url' | 'apps' | 'notices'>): string {
  const lines = apps.flatMap((app) => ['', app.config.appId, ...describeApp(app, `${url}/${app.config.appId}`)]);
  // They are in the log too, where a person may not see them among lines of JSON.
  const notes = notices.map((notice) => `\n\nNote: ${notice}`).join('');
  return `Tablecast serves on ${url}\n${lines.join('\n')}${notes}\n\nCtrl-C stops it.\n\n`;
}

function describeApp({ config, plan }: ProjectApp, base: string): string[] {
  const tables = plan.tables.flatMap(({ exportName, transports }) => {
    if (exportName === undefined) return [];
    return `  ${base}/${exportName}  ${[...transports].map((name) => SHOWN[name]).join(', ')}`;
  });
  const web = config.web === undefined ? [] : [`  ${base}/  web page`];
  const docs = config.docs ? [`  ${base}/docs  API page`] : [];
  return [...tables, ...web, ...docs];
}
