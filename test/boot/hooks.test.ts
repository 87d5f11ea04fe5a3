import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openApplication } from '../../src/boot/application.ts';
import { loadProject } from '../../src/boot/project.ts';
import { HookedTable } from '../../src/resources/table/hooked.ts';
import { TableResource } from '../../src/resources/table/resource.ts';

test('only a table with hooks before its writes is a HookedTable', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-hooks-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const types = ['A', 'B'].map((name) => `type ${name} @table @export { id: ID! @primaryKey }`);
  writeFileSync(join(dir, 'schema.graphql'), types.join('\n'));
  const { server, apps } = loadProject(dir, {});
  const [app] = apps;
  if (app === undefined) throw new Error('there is no application');
  const application = await openApplication({
    app: app.config,
    plan: app.plan,
    server,
    allowDestructive: false,
    onError: () => {},
    writeHooksOf: (table) => (table === 'B' ? { beforeDelete: async () => {} } : undefined),
  });
  onTestFinished(() => application.close());
  const classes = [...application.resources].map(([name, resource]) => [name, Object.getPrototypeOf(resource)]);
  expect(classes).toEqual([
    ['A', TableResource.prototype],
    ['B', HookedTable.prototype],
  ]);
});
