import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startServer } from '../../src/index.ts';
import { ask } from '../support/http.ts';

/** Files of `src` whose code a PUT runs, from the socket to the answer. The aim is half of it. */
const MAX_FILES = 53;

const SCHEMA = 'type Message @table @export { id: ID! @primaryKey, title: String! }';

/** Files of `src` with a function that ran while `work` did. */
async function filesRunBy(session: Session, work: () => Promise<unknown>): Promise<Set<string>> {
  await session.post('Profiler.takePreciseCoverage');
  await work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const ran = result.filter(({ functions }) => functions.some(({ ranges }) => (ranges[0]?.count ?? 0) > 0));
  return new Set(ran.flatMap(({ url }) => (url.includes('/node_modules/') ? [] : (url.split('/src/')[1] ?? []))));
}

// Not while coverage is measured: the runner then has the counters of this process.
test.skipIf(process.env.TEST_IN_PROCESS === '1')('a PUT runs the code of a bounded number of files', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-path-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  writeFileSync(join(dir, 'schema.graphql'), SCHEMA);
  writeFileSync(join(dir, 'config.yaml'), 'app_id: my-app\nport: 0\nlogging: {level: silent}\n');
  const server = await startServer({ dir, env: {}, allowDestructive: false });
  onTestFinished(() => server.close());
  const put = (title: string) => ask('PUT', `${server.url}/my-app/Message/1`, { json: { title } });
  await put('first');
  const session = new Session();
  session.connect();
  onTestFinished(() => session.disconnect());
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
  const runs: Set<string>[] = [];
  for (const title of ['a', 'b', 'c']) runs.push(await filesRunBy(session, () => put(title)));
  // Timers run now and then: only what every PUT runs belongs to it.
  const files = [...(runs[0] as Set<string>)].filter((file) => runs.every((run) => run.has(file)));
  expect(files).toContain('store/sqlite/records/commit.ts');
  expect(files.length, files.toSorted().join('\n')).toBeLessThanOrEqual(MAX_FILES);
});
