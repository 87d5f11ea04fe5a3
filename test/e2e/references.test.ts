import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { BASE_CONFIG, makeApp, runToExit, startServer, type TestServer } from '../support/app.ts';
import { bearer } from '../support/auth-app.ts';
import type { Json } from '../support/frames.ts';
import { SseClient } from '../support/sse-client.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';

const OPEN = '@export(public: [read, create, update, delete, subscribe, publish])';
const SCHEMA = `
type Board @table ${OPEN} { id: ID! @primaryKey ownerId: ID owner: Member @relationship(from: "ownerId", onDelete: RESTRICT) }
type Card @table @audit ${OPEN} {
  id: ID! @primaryKey boardId: ID! memberId: ID n: Int
  board: Board @relationship(from: "boardId", onDelete: CASCADE)
  member: Member @relationship(from: "memberId", onDelete: SET_NULL)
}
type Member @table ${OPEN} { id: ID! @primaryKey }
type Session @table(expiration: 1) ${OPEN} { id: ID! @primaryKey }
type Draft @table ${OPEN} { id: ID! @primaryKey sessionId: ID! session: Session @relationship(from: "sessionId", onDelete: CASCADE) }
type Lease @table ${OPEN} { id: ID! @primaryKey sessionId: ID! session: Session @relationship(from: "sessionId", onDelete: RESTRICT) }`;

describe('references', { timeout: 120_000 }, () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA, config: `${BASE_CONFIG}sse: true\n` });
  }, 60_000);
  afterAll(() => server[Symbol.asyncDispose]());

  async function make(table: string, ...records: Json[]): Promise<void> {
    const { status, text } = await server.ask('POST', table, { json: records });
    expect(status, text).toBe(201);
  }

  test('a board that is deleted by REST takes its cards along, in one burst for WebSocket and SSE', async () => {
    await make('Board', { id: 'b1' }, { id: 'b2' });
    const cards = Array.from({ length: 20 }, (_, n) => ({ id: `c${n + 10}`, boardId: 'b1' }));
    await make('Card', ...cards, { id: 'other', boardId: 'b2' });
    using socket = await WsClient.subscribe(server.wsUrl('Card'));
    using stream = await SseClient.subscribe(server.url('Card?stream=sse'));
    using window = await WsClient.subscribe(server.wsUrl('Card?sort=id&limit=5'));
    using boards = await WsClient.subscribe(server.wsUrl('Board'));
    const headers = { 'idempotency-key': 'once' };
    const { status } = await server.ask('DELETE', 'Board/b1', { headers });
    expect(status).toBe(204);
    const board = await boards.next();
    expect(board).toMatchObject({ message_type: 'Delete', id: 'b1' });
    const frames = await socket.changes.atLeast(20);
    expect(frames.map(({ message_type, id }) => [message_type, id])).toEqual(cards.map(({ id }) => ['Delete', id]));
    // Consecutive positions: nothing else is between them.
    expect(frames.map(({ seq }) => seq)).toEqual(cards.map((_, index) => (board.seq as number) + 1 + index));
    for (const { id } of cards) expect((await stream.next('delete')).json).toEqual({ id });
    await window.changes.atLeast(1);
    expect((await server.ask('GET', 'Card')).records).toMatchObject([{ id: 'other' }]);
    const { record } = await server.ask('GET', 'Card/c10');
    expect(record.code).toBe('NOT_FOUND');
    const again = await server.ask('DELETE', 'Board/b1', { headers });
    expect([again.status, again.headers.get('idempotency-replayed')]).toEqual([204, 'true']);
    const { records } = await server.ask('GET', '_/audit?limit=100');
    const deletions = records.filter(({ op }) => op === 'delete');
    expect(deletions).toHaveLength(20);
    expect(deletions[0]).toMatchObject({ table: 'Card', by: { type: 'anonymous' } });
  });

  test('a key without a record is refused over every door, with the field and what to do', async () => {
    await make('Board', { id: 'b5' });
    const message = 'there is no record of Board with the key "b9": create it first, or in the same transaction';
    const post = await server.ask('POST', 'Card', { json: { id: 'x1', boardId: 'b9' } });
    expect([post.status, post.record]).toMatchObject([
      400,
      { code: 'VALIDATION_ERROR', detail: `boardId: ${message}`, errors: [{ field: 'boardId', message }] },
    ]);
    const many = await server.ask('POST', 'Card', { json: [{ boardId: 'b5' }, { boardId: 'b9' }] });
    expect([many.status, many.record.errors]).toEqual([400, [{ field: '[1].boardId', message }]]);
    const csv = await server.ask('POST', 'Card', {
      body: 'id,boardId\nx2,b9\n',
      headers: { 'content-type': 'text/csv' },
    });
    expect([csv.status, csv.record.code]).toEqual([400, 'VALIDATION_ERROR']);
    const steps = [
      { op: 'create', table: 'Card', data: { id: 'x3', boardId: 'b6' } },
      { op: 'create', table: 'Card', data: { id: 'x4', boardId: 'b9' } },
      { op: 'create', table: 'Board', data: { id: 'b6' } },
    ];
    const transaction = await server.ask('POST', '_/transaction', { json: { steps } });
    expect(transaction.record).toMatchObject({ step: 1, errors: [{ field: 'steps[1].boardId', message }] });
    const mended = await server.ask('POST', '_/transaction', { json: { steps: [steps[0], steps[2]] } });
    expect(mended.status, mended.text).toBe(200);
    using socket = await WsClient.subscribe(server.wsUrl('Card'));
    socket.send({ message_type: 'Update', id: 'x5', data: { boardId: 'b9' }, ref: 1 });
    expect(await socket.control('error')).toMatchObject({ code: 'VALIDATION_ERROR', ref: 1 });
    const patch = await server.ask('PATCH', 'Card?boardId==b6', { json: { boardId: 'b9' } });
    expect(patch.record).toMatchObject({ errors: [{ field: 'record "x3", field boardId' }] });
    expect((await server.ask('GET', 'Card?id=sw=x&select=id')).records).toEqual([{ id: 'x3' }]);
  });

  test('a record to which others refer stays, or they lose its key', async () => {
    await make('Member', { id: 'ann' }, { id: 'bob' });
    await make('Board', { id: 'b7', ownerId: 'ann' });
    await make('Card', { id: 'k1', boardId: 'b7', memberId: 'bob', n: 1 });
    const refused = await server.ask('DELETE', 'Member/ann');
    expect([refused.status, refused.record]).toMatchObject([
      409,
      { code: 'CONFLICT', detail: expect.stringContaining('1 record of Board refers to it by ownerId') },
    ]);
    using socket = await WsClient.subscribe(server.wsUrl('Card/k1'));
    expect((await server.ask('DELETE', 'Member/bob')).status).toBe(204);
    const isUpdate = (frame: { message_type?: unknown; data?: unknown }) => (frame.data as Json).memberId === null;
    expect(await socket.next(isUpdate)).toMatchObject({
      message_type: 'Update',
      data: { id: 'k1', memberId: null, n: 1 },
    });
    const both = [
      { op: 'delete', table: 'Member', id: 'ann' },
      { op: 'delete', table: 'Board', id: 'b7' },
    ];
    expect((await server.ask('POST', '_/transaction', { json: { steps: both } })).status).toBe(200);
    expect((await server.ask('GET', 'Card/k1')).status).toBe(404);
  });

  test('records that expire take others along, unless one keeps them', async () => {
    await make('Session', { id: 's1' }, { id: 's2' });
    await make('Draft', { id: 'd1', sessionId: 's1' }, { id: 'd2', sessionId: 's2' });
    await make('Lease', { id: 'l2', sessionId: 's2' });
    await until(
      async () => (await server.ask('GET', 'Draft?select=id')).records,
      (drafts) => drafts.length === 1,
      { timeout: 60_000, what: 'the draft of the expired session to be gone' },
    );
    expect((await server.ask('GET', 'Session?select=id')).records).toEqual([{ id: 's2' }]);
    expect((await server.ask('GET', 'Draft?select=id')).records).toEqual([{ id: 'd2' }]);
  });

  test('the documents of the API tell of them', async () => {
    const { record } = await server.ask('GET', '_/openapi.json');
    const text = JSON.stringify(record);
    expect(text).toContain('Records of Card that refer to it by `boardId` are deleted with it.');
    expect(text).toContain('Key of a record of Board, which must exist.');
  });
});

test('a caller who loses the board loses each of its cards once, also where a rule follows the reference', {
  timeout: 120_000,
}, async () => {
  const rule = '@access(read: "board.ownerId==$auth.sub", create: "board.ownerId==$auth.sub", delete: [])';
  const schema = `type Board @table @export @access(read: "ownerId==$auth.sub", create: "ownerId==$auth.sub", delete: "ownerId==$auth.sub") {
    id: ID! @primaryKey ownerId: ID! @indexed }
  type Card @table @export ${rule} { id: ID! @primaryKey boardId: ID! board: Board @relationship(from: "boardId", onDelete: CASCADE) }`;
  await using server = await startServer({ schema, config: `${BASE_CONFIG}auth: { jwt: { secret: ${SECRET} } }\n` });
  const ada = bearer(tokenOf('ada'));
  const ben = bearer(tokenOf('ben'));
  for (const [id, who] of [
    ['b1', ada],
    ['b2', ben],
  ] as const) {
    const json = { id, ownerId: who === ada ? 'ada' : 'ben' };
    expect((await server.ask('POST', 'Board', { json, ...who })).status).toBe(201);
    const cards = [1, 2, 3].map((n) => ({ id: `${id}-${n}`, boardId: id }));
    expect((await server.ask('POST', 'Card', { json: cards, ...who })).status).toBe(201);
  }
  using own = await WsClient.subscribe(server.wsUrl('Card'), ada);
  using other = await WsClient.subscribe(server.wsUrl('Card'), ben);
  // Nobody may delete a card, but the owner may delete the board.
  expect((await server.ask('DELETE', 'Card/b1-1', ada)).status).toBe(403);
  expect((await server.ask('DELETE', 'Board/b1', ben)).status).toBe(404);
  expect((await server.ask('DELETE', 'Board/b1', ada)).status).toBe(204);
  const frames = await own.changes.atLeast(3);
  expect(frames.map(({ message_type, id }) => `${message_type} ${id}`)).toEqual([1, 2, 3].map((n) => `Delete b1-${n}`));
  const last = await server.ask('POST', 'Card', { json: { id: 'b2-4', boardId: 'b2' }, ...ben });
  expect(last.status).toBe(201);
  // The first that the other caller receives is its own card.
  expect(await other.next()).toMatchObject({ message_type: 'Update', id: 'b2-4' });
  expect((await own.changes.atLeast(3)).length).toBe(3);
});

const KILLS = 4;
const CARDS = 40;

test('after kill -9 in the middle of cascades each board is there with all of its cards, or gone with them', {
  timeout: 180_000,
}, async () => {
  const config = `${BASE_CONFIG}limits: {anonymous_requests_per_second: 0}\n`;
  await using server = await startServer({ schema: SCHEMA, config });
  const run = { stopped: false, deleted: 0 };
  const gone = new Set<string>();
  const write = async (writer: number) => {
    for (let n = 0; !run.stopped; n++) {
      const id = `w${writer}-${n}`;
      const steps: Json[] = [{ op: 'create', table: 'Board', data: { id } }];
      for (let card = 0; card < CARDS; card++) {
        steps.push({ op: 'create', table: 'Card', data: { id: `${id}-${card}`, boardId: id } });
      }
      try {
        const made = await server.ask('POST', '_/transaction', { json: { steps } });
        const { status } = made.status === 200 ? await server.ask('DELETE', `Board/${id}`) : made;
        if (status === 204) {
          gone.add(id);
          run.deleted++;
        }
      } catch (error) {
        // What fetch throws when the connection is refused or breaks.
        if (!(error instanceof TypeError)) throw error;
        await pause(20);
      }
    }
  };
  const writers = [0, 1, 2, 3].map(write);
  for (let kill = 0; kill < KILLS; kill++) {
    const enough = run.deleted + 8;
    await until(
      async () => run.deleted,
      (deleted) => deleted >= enough,
      { timeout: 60_000, what: 'deleted boards before the kill' },
    );
    await server.kill();
    await server.restart();
    // Acknowledged deletions are there after the kill; the writers go on meanwhile.
    const known = [...gone];
    const boards = (await readAll(server, 'Board')).map(({ id }) => id as string);
    for (const id of known) expect(boards).not.toContain(id);
  }
  run.stopped = true;
  await Promise.all(writers);
  const boards = (await readAll(server, 'Board')).map(({ id }) => id as string);
  const counts = new Map<unknown, number>(boards.map((id) => [id, 0]));
  for (const { boardId } of await readAll(server, 'Card')) {
    counts.set(boardId, (counts.get(boardId) ?? Number.NaN) + 1);
  }
  expect([...counts].filter(([, count]) => count !== CARDS)).toEqual([]);
  for (const id of gone) expect(boards).not.toContain(id);
});

async function readAll(server: TestServer, table: string): Promise<Json[]> {
  const records: Json[] = [];
  for (let after = ''; ; ) {
    const page = (await server.ask('GET', `${table}?limit=1000&sort=id${after}`)).records;
    records.push(...page);
    if (page.length < 1000) return records;
    after = `&id=gt=${page.at(-1)?.id}`;
  }
}

test('a schema that keeps references is refused while stored keys dangle, by the start and by migrate plan', {
  timeout: 60_000,
}, async () => {
  const loose =
    'type Board @table @export { id: ID! @primaryKey } type Card @table @export { id: ID! @primaryKey boardId: ID board: Board @relationship(from: "boardId") }';
  const app = await makeApp({ schema: loose, config: BASE_CONFIG });
  onTestFinished(() => rm(app.root as string, { recursive: true, force: true }));
  {
    await using server = await startServer({ dir: app.dir });
    expect((await server.ask('POST', 'Card', { json: [{ id: 'c1', boardId: 'b9' }, { id: 'c2' }] })).status).toBe(201);
  }
  const kept = loose.replace('from: "boardId"', 'from: "boardId", onDelete: SET_NULL');
  await writeFile(join(app.dir, 'schema.graphql'), kept);
  const plan = await runToExit(['migrate', 'plan', app.dir]);
  expect(plan.code).toBe(1);
  expect(plan.stdout + plan.stderr).toContain('1 record has a key of no record of Board ("c1": "b9")');
  const start = await runToExit(['start', app.dir]);
  expect(start.code).toBe(1);
  expect(start.stderr).toContain('set the key to null, or leave out onDelete');
});
