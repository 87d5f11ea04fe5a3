import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { bearer } from '../support/auth-app.ts';
import type { Json } from '../support/frames.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';

const KILLS = 8;
const SCHEMA =
  'type Note @table @audit @export @access(create: "authenticated", update: "authenticated") { id: ID! @primaryKey n: Int }';
const CONFIG = `${BASE_CONFIG}auth: { jwt: { secret: ${SECRET} } }\n`;
const USERS = ['ada', 'ben'] as const;

interface Ledger {
  /** seq of each acknowledged write, and who has written what. */
  readonly acknowledged: Map<number, string>;
  readonly sent: Set<string>;
  stopped: boolean;
}

/** Writes until told to stop; while the server is down, it waits and goes on. */
async function write(server: TestServer, user: string, ledger: Ledger): Promise<void> {
  for (let n = 0; !ledger.stopped; n++) {
    const id = `${user}-${n % 7}`;
    const said = `${user} ${id} ${n}`;
    ledger.sent.add(said);
    try {
      const answer = await server.ask('PUT', `Note/${id}`, { json: { n }, ...bearer(tokenOf(user)) });
      // A server in the process of the tests cannot be killed: it is stopped, and says so.
      if (answer.status === 503 && answer.record.code === 'STOPPING') throw new TypeError(answer.text);
      if (answer.status !== 200 && answer.status !== 201) throw new Error(answer.text);
      ledger.acknowledged.set(Number(answer.headers.get('etag')?.replaceAll('"', '')), said);
    } catch (error) {
      // What fetch throws when the connection is refused or breaks, also in the middle of an answer.
      if (!(error instanceof TypeError)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

async function readAll(server: TestServer): Promise<Json[]> {
  const admin = bearer(tokenOf('root', { roles: ['admin'] }));
  const entries: Json[] = [];
  for (let cursor = ''; ; ) {
    const { records, headers } = await server.ask('GET', `audit?limit=500${cursor}`, admin);
    entries.push(...records);
    const next = /before=(\d+)/.exec(headers.get('link') ?? '');
    if (next === null) return entries;
    cursor = `&${next[0]}`;
  }
}

test('after kill -9 the audit log has exactly one entry for each acknowledged write, and none that was not sent', {
  timeout: 90_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  const ledger: Ledger = { acknowledged: new Map(), sent: new Set(), stopped: false };
  const writers = USERS.flatMap((user) => [write(server, user, ledger)]);
  for (let round = 0; round < KILLS; round++) {
    const enough = ledger.acknowledged.size + 20 + Math.random() * 40;
    await until(
      async () => ledger.acknowledged.size,
      (size) => size >= enough,
      { timeout: 30_000, what: 'acknowledged writes before the kill' },
    );
    await server.kill();
    await server.restart();
  }
  ledger.stopped = true;
  await Promise.all(writers);
  const entries = await readAll(server);
  const told = entries.map(({ seq, by, id, changes }) => {
    const { n } = changes as { n: { after: number } };
    return [seq as number, `${(by as Json).sub} ${id} ${n.after}`] as const;
  });
  expect(new Set(told.map(([seq]) => seq)).size).toBe(told.length);
  const bySeq = new Map(told);
  for (const [seq, said] of ledger.acknowledged) expect(bySeq.get(seq)).toBe(said);
  for (const [, said] of told) expect(ledger.sent.has(said), said).toBe(true);
  // What was committed and not acknowledged is in the store and in the log alike: one write of each user at a kill.
  expect(told.length - ledger.acknowledged.size).toBeLessThanOrEqual(KILLS * USERS.length);
  expect(ledger.acknowledged.size).toBeGreaterThan(KILLS * 20);
});
