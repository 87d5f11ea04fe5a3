import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { V1Client, type V1Kind } from '../support/v1-client.ts';

const SCHEMA = `type Item @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  on: Boolean @indexed
  n: Int
}`;
const QUERY = 'Item?on==true';

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: BASE_CONFIG });
}, 120_000);
afterAll(() => server?.[Symbol.asyncDispose]());

/** What a client of one subscription has, by the rules of PROTOCOL.md §7.4. */
class Fold {
  readonly records = new Map<string, Json>();
  position: string | undefined;

  take({ type, seq, id, data, records }: Json): void {
    if (type === 'reset') this.records.clear();
    if (type === 'page')
      for (const record of records as Json[]) this.records.set(String(record.id), record.data as Json);
    if (type === 'update') this.records.set(String(id), data as Json);
    if (type === 'delete') this.records.delete(String(id));
    if (type !== 'page' && type !== 'reset') this.position = seq as string;
  }

  get state(): string {
    return stateOf(this.records);
  }
}

function stateOf(records: ReadonlyMap<string, Json>): string {
  return JSON.stringify([...records].toSorted(([one], [other]) => (one < other ? -1 : 1)).map(([, data]) => data));
}

type Action =
  | { readonly type: 'put'; readonly id: string; readonly on: boolean; readonly n: number }
  | { readonly type: 'remove'; readonly id: string }
  | { readonly type: 'reconnect' }
  | { readonly type: 'kill' };

const ID = fc.constantFrom('a', 'b', 'c', 'd');
const ACTION: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constant('put' as const), id: ID, on: fc.boolean(), n: fc.nat(9) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('remove' as const), id: ID }) },
  { weight: 2, arbitrary: fc.constant({ type: 'reconnect' as const }) },
);

/** Runs actions beside a reader, and compares what it has at every position with what was stored there. */
async function check(kind: V1Kind, actions: readonly Action[]): Promise<void> {
  for (const id of ['a', 'b', 'c', 'd']) await server.ask('DELETE', `Item/${id}`);
  const base = () => `${server.origin}/my-app`;
  const stored = new Map<string, Json>();
  const states = new Map<string, string>();
  const fold = new Fold();
  const problems: string[] = [];
  let checked = 0;
  let seen = 0;
  let reader = await V1Client.open(base(), { kind });
  const read = () => {
    const messages = reader.of(1);
    for (const message of messages.slice(seen)) {
      fold.take(message);
      const expected = states.get(String(message.seq));
      if (expected === undefined || message.type === 'reset') continue;
      checked++;
      if (fold.state !== expected) problems.push(`${message.seq}: ${fold.state} instead of ${expected}`);
    }
    seen = messages.length;
  };
  const subscribe = async () => {
    seen = 0;
    const since = fold.position === undefined ? {} : { since: fold.position };
    if (fold.position === undefined) fold.records.clear();
    await reader.subscribe(1, QUERY, since);
  };
  await subscribe();
  for (const action of actions) {
    if (action.type === 'reconnect' || action.type === 'kill') {
      read();
      reader[Symbol.dispose]();
      if (action.type === 'kill') {
        await server.kill();
        await server.start();
      }
      reader = await V1Client.open(base(), { kind });
      await subscribe();
      continue;
    }
    const { id } = action;
    const answer =
      action.type === 'put'
        ? await server.put(`Item/${id}`, { on: action.on, n: action.n })
        : await server.ask('DELETE', `Item/${id}`);
    if (action.type === 'put' && action.on) stored.set(id, { id, on: true, n: action.n });
    else stored.delete(id);
    const seq = /"(\d+)"/.exec(answer.headers.get('etag') ?? '')?.[1];
    if (seq !== undefined) states.set(seq, stateOf(stored));
  }
  const end = await server.put('Item/d', { on: true, n: 100 + actions.length });
  stored.set('d', { id: 'd', on: true, n: 100 + actions.length });
  const last = String(/"(\d+)"/.exec(end.headers.get('etag') ?? '')?.[1]);
  states.set(last, stateOf(stored));
  await reader.messages.next(({ type, seq }) => type === 'update' && seq === last);
  read();
  reader[Symbol.dispose]();
  expect(problems).toEqual([]);
  expect(fold.state).toBe(stateOf(stored));
  expect(checked).toBeGreaterThan(0);
}

test.each(['json', 'sse'] as const)(
  'a client over %s has at every position what was stored there, through lost connections',
  async (kind) => {
    await fc.assert(
      fc.asyncProperty(fc.array(ACTION, { maxLength: 25 }), (actions) => check(kind, actions)),
      { numRuns: 12 },
    );
  },
  120_000,
);

test.each(['json', 'cbor', 'msgpack', 'sse'] as const)(
  'a client over %s goes on after the server was killed',
  async (kind) => {
    const put = (id: string, n: number) => ({ type: 'put', id, on: true, n }) as const;
    await check(kind, [put('a', 1), put('b', 2), { type: 'kill' }, put('a', 3), { type: 'remove', id: 'b' }]);
  },
  120_000,
);
