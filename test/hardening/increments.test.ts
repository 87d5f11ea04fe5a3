import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import type { Json } from '../support/frames.ts';
import { V1Client } from '../support/v1-client.ts';
import { WsClient } from '../support/ws-client.ts';

const SCHEMA = `type Stock @table @export(public: [read, create, update, delete, subscribe]) {
  id: ID! @primaryKey
  int: Int
  long: Long
  float: Float
  bounded: Int @constraint(min: 0, max: 10)
  list: [Int]
}`;
const STORED = { int: 9_007_199_254_740_991, long: 9_007_199_254_740_991, float: 1.7e308, bounded: 10, list: [1] };
/** Operators whose result, or which themselves, are no value of the field. */
const TOO_FAR: readonly (readonly [field: string, operator: Json])[] = [
  ['int', { $inc: 1 }],
  ['int', { $inc: 0.5 }],
  ['int', { $inc: 'one' }],
  ['int', { $max: 2 ** 53 }],
  ['long', { $inc: 1e30 }],
  ['float', { $inc: 1.7e308 }],
  ['bounded', { $inc: 1 }],
  ['bounded', { $inc: -11 }],
  ['list', { $push: 2 ** 53 }],
  ['list', { $inc: 1 }],
];

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ schema: SCHEMA, config: BASE_CONFIG });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

/** Sends a patch, and returns the code of its refusal, or `written`. */
type Door = (id: string, data: Json) => Promise<string>;

const codeOf = ({ status, record }: { readonly status: number; readonly record: Json }) =>
  status < 300 ? 'written' : String(record.code);

const DOORS: readonly (readonly [name: string, door: Door])[] = [
  ['PATCH', async (id, json) => codeOf(await server.ask('PATCH', `Stock/${id}`, { json }))],
  ['PATCH of all that match', async (id, json) => codeOf(await server.ask('PATCH', `Stock?id==${id}`, { json }))],
  [
    'a transaction',
    async (id, data) => {
      const json = { steps: [{ op: 'patch', table: 'Stock', id, data }] };
      return codeOf(await server.ask('POST', '_/transaction', { json }));
    },
  ],
  [
    'a WebSocket',
    async (id, data) => {
      using client = await WsClient.open(server.wsUrl('Stock'));
      client.send({ message_type: 'Patch', id, ref: 1, data });
      const { type, code } = await client.controls.next(({ ref }) => ref === 1);
      return type === 'ack' ? 'written' : String(code);
    },
  ],
  [
    'protocol v1',
    async (key, data) => {
      using client = await V1Client.open(server.url('').replace(/\/$/, ''));
      const answer = await client.write(1, { op: 'patch', table: 'Stock', key, data });
      return answer.type === 'error' ? String((answer.problem as Json).code) : 'written';
    },
  ],
];

describe.each(DOORS)('an atomic update by %s', (_name, door) => {
  test.each(TOO_FAR)('of %s by %j is refused, and changes nothing', async (field, operator) => {
    const id = `s${Math.random()}`;
    await server.ask('PUT', `Stock/${id}`, { json: STORED });
    expect(await door(id, { [field]: operator })).toBe('VALIDATION_ERROR');
    expect((await server.ask('GET', `Stock/${id}`)).record).toEqual({ id, ...STORED });
  });

  test('to the ends of the ranges is done', async () => {
    const id = `s${Math.random()}`;
    await server.ask('PUT', `Stock/${id}`, { json: { ...STORED, int: 9_007_199_254_740_990, bounded: 9 } });
    expect(await door(id, { int: { $inc: 1 }, bounded: { $inc: 1 } })).toBe('written');
    expect((await server.ask('GET', `Stock/${id}`)).record).toEqual({ id, ...STORED });
  });
});
