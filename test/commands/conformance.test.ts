import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { RULES } from '../../src/commands/conformance/checks.ts';
import { BASE_CONFIG, runToExit, startServer, type TestServer } from '../support/app.ts';
import { FAULTS, V1Mock } from '../support/v1-mock.ts';

const SCHEMA = `type Empty @table @export(public: [read]) { id: ID! @primaryKey }
type Note @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  rank: Int!
  kind: Kind!
  text: String @indexed
}
enum Kind { LONG SHORT }`;

describe('tablecast conformance', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}connectors: {chat: {type: websocket}}\n` });
  }, 120_000);
  afterAll(() => server?.[Symbol.asyncDispose]());

  test('finds all rules to hold on the server, and a table by itself', async () => {
    const { code, stdout, stderr } = await runToExit(['conformance', `${server.origin}/my-app`]);
    expect(stderr).toBe('');
    expect(stdout.split('\n').filter((line) => line.startsWith('FAIL'))).toEqual([]);
    expect(stdout).toContain('table Note, field text');
    expect(stdout.trimEnd()).toMatch(new RegExp(`all ${RULES.length} rules hold$`));
    expect(code).toBe(0);
  });

  test('leaves no records behind', async () => {
    expect((await server.ask('GET', 'Note')).text).toBe('[]');
  });

  test('reports an address that is none, and a server that is not there', async () => {
    expect(await runToExit(['conformance', 'my-app'])).toMatchObject({ code: 2 });
    const gone = await runToExit(['conformance', 'http://127.0.0.1:9/my-app', '--table', 'Note', '--field', 'text']);
    expect([gone.code, gone.stdout]).toEqual([1, expect.stringContaining('ECONNREFUSED')]);
  });
});

describe('the rules', { timeout: 120_000 }, () => {
  const failing = async (mock: V1Mock, timeout: number): Promise<string[]> => {
    const subject = { url: `${mock.url.replace('http', 'ws')}/_/live`, token: undefined, table: 'Item', field: 'text' };
    const results = await Promise.all(
      RULES.map(({ title, run }) =>
        run({ ...subject, data: {}, timeout }).then(
          () => undefined,
          (error: Error) => `${title}: ${error.message}`,
        ),
      ),
    );
    return results.filter((reason) => reason !== undefined);
  };

  test('all hold on a second, small server', async () => {
    await using mock = await V1Mock.start();
    expect(await failing(mock, 30_000)).toEqual([]);
  });

  test('each can be broken, and is then reported', async () => {
    const reported = new Set<string>();
    const results = await Promise.all(
      FAULTS.map(async (fault) => {
        await using mock = await V1Mock.start(fault);
        return [fault, await failing(mock, 2000)] as const;
      }),
    );
    for (const [fault, failed] of results) {
      expect(failed, fault).not.toEqual([]);
      for (const line of failed) reported.add(line.replace(/: .*/, ''));
    }
    expect(RULES.map(({ title }) => title.replace(/: .*/, '')).filter((title) => !reported.has(title))).toEqual([]);
  });
});
