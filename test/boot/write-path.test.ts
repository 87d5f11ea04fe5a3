import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { startServer } from '../../src/index.ts';
import { ask } from '../support/http.ts';

/** Files that one has to read to follow a PUT from the socket to the disk and back: docs/contributing/code-map.md, the path of a write. */
const MAX_PATH_FILES = 25;
/** The same with the bystanders. */
const MAX_EXECUTED_FILES = 42;
const MAX_PUTS = 8;

/** Files whose code runs for a PUT though it does nothing to it, and why. A file that is not here counts. */
const BYSTANDERS: Readonly<Record<string, string>> = {
  'boot/application.ts': 'composition: passes the commit on to the bus',
  'errors.ts': 'the class of errors, for instanceof',
  'hub/dependencies/dependency-index.ts': 'finds no subscription that looks at other tables',
  'hub/dependencies/dependents.ts': 'serves subscriptions that look at other tables, of which there are none',
  'runtime/event-loop.ts': 'order of work in a turn of the event loop, for the write queue',
  'server/cors.ts': 'hook that answers OPTIONS',
  'server/limits/loop-watch.ts': 'flag of an overloaded event loop',
  'server/node/one-write-response.ts': 'sends head and body with one system call',
  'server/request.ts': 'getters of a request: transport, query, caller',
  'store/rows/cell-change.ts': 'operators of a patch: predicate that finds none',
  'store/rows/row-rules.ts': 'rules of a whole row, of which the table has none',
  'store/rows/table-sizes.ts': 'counts records, for the limit of scans',
  'store/rows/write.ts': 'types of writes, and two predicates on them',
  'store/sqlite/database/read-transaction.ts': 'ends the reads of the turn before the write',
  'store/sqlite/log/issued-positions.ts': 'notes the first commit after a start, for resume',
  'store/sqlite/records/row-cache.ts': 'forgets the row that changes',
  'store/storage-health.ts': 'flag of a directory that was moved',
};

const CODE_MAP = fileURLToPath(new URL('../../docs/contributing/code-map.md', import.meta.url));

/** Files that the code map lists for a PUT, in its order. */
function filesOfCodeMap(): string[] {
  const [, section = ''] = readFileSync(CODE_MAP, 'utf8').split('### The files of a PUT\n');
  const [list = ''] = section.split('\n#', 1);
  return [...list.matchAll(/\]\(\.\.\/\.\.\/src\/([^)]+)\)/g)].map(([, file]) => file as string);
}

const SCHEMA = 'type Message @table @export { id: ID! @primaryKey, title: String! }';

/** Source text of a function that vitest adds to a module for each of its exports: reading one is no step of a request. */
const EXPORT_GETTER = /^\(\)\s*=>\s*\{?\s*(?:try\s*\{\s*)?return [\w$]+;?\s*\}/;

/** Files of `src` with a function that ran while `work` did. */
async function filesRunBy(session: Session, work: () => Promise<unknown>): Promise<Set<string>> {
  await session.post('Profiler.takePreciseCoverage');
  await work();
  const { result } = await session.post('Profiler.takePreciseCoverage');
  const files = new Set<string>();
  for (const { scriptId, url, functions } of result) {
    const file = url.includes('/node_modules/') ? undefined : url.split('/src/')[1];
    const ran = functions.flatMap(({ ranges }) => ((ranges[0]?.count ?? 0) > 0 ? [ranges[0] as Range] : []));
    if (file === undefined || ran.length === 0) continue;
    const { scriptSource } = await session.post('Debugger.getScriptSource', { scriptId });
    const own = ran.filter(
      ({ startOffset, endOffset }) => !EXPORT_GETTER.test(scriptSource.slice(startOffset, endOffset)),
    );
    if (own.length > 0) files.add(file);
  }
  return files;
}

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
}

// Not while coverage is measured: the runner then has the counters of this process.
test.skipIf(process.env.TEST_IN_PROCESS === '1')(
  'a PUT passes at most 25 files, which the code map names',
  async () => {
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
    await session.post('Debugger.enable');
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    // Timers run now and then, on a busy machine during most requests: only what every PUT runs belongs to it.
    let files = [...(await filesRunBy(session, () => put('a')))];
    for (let i = 0; i < MAX_PUTS; i++) {
      const run = await filesRunBy(session, () => put(`b${i}`));
      files = files.filter((file) => run.has(file));
    }
    expect(files).toContain('store/sqlite/records/commit.ts');
    expect(files.length, files.toSorted().join('\n')).toBeLessThanOrEqual(MAX_EXECUTED_FILES);
    // A bystander that no PUT runs any more has to leave the list.
    expect(Object.keys(BYSTANDERS).filter((file) => !files.includes(file))).toEqual([]);
    const path = files.filter((file) => !Object.hasOwn(BYSTANDERS, file));
    expect(path.length, path.toSorted().join('\n')).toBeLessThanOrEqual(MAX_PATH_FILES);
    expect(filesOfCodeMap().toSorted()).toEqual(path.toSorted());
  },
);
