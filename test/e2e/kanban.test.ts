import { readdir } from 'node:fs/promises';
import { expect, onTestFinished, test } from 'vitest';
import { type Client, connect } from '../../src/client/index.ts';
import { type Answer, ask } from '../support/http.ts';
import { KANBAN, startKanban } from '../support/kanban.ts';

type Row = { readonly id: string } & Record<string, unknown>;
type Tables = Record<'Person' | 'Board' | 'Member' | 'Card' | 'Product' | 'Line', Row>;

/** A user of the kanban: over REST, and over a client with live lists. */
class User {
  readonly url: string;
  readonly id: string;
  readonly client: Client<Tables>;
  readonly #token: string;

  static async signUp(origin: string, name: string): Promise<User> {
    const url = `${origin}/kanban/`;
    const { record } = await ask('POST', `${url}_/auth/signup`, { json: { name, password: 'correct horse' } });
    const user = new User(url, record);
    onTestFinished(() => user.client.close());
    expect((await user.ask('PUT', `Person/${user.id}`, { name })).status).toBe(201);
    return user;
  }

  private constructor(url: string, { access_token: token, user }: Record<string, unknown>) {
    this.url = url;
    this.id = (user as Row).id;
    this.#token = String(token);
    this.client = connect<Tables>(url, { token: this.#token, retryFor: 0 });
  }

  ask(method: string, path: string, json?: unknown): Promise<Answer> {
    const headers = { authorization: `Bearer ${this.#token}` };
    return ask(method, `${this.url}${path}`, { headers, ...(json === undefined ? {} : { json }) });
  }

  async make(table: string, record: Record<string, unknown>): Promise<void> {
    const { status, text } = await this.ask('POST', table, record);
    expect({ status, text }).toMatchObject({ status: 201 });
  }

  /** Takes from the stock for a card: a line and the stock that it needs. */
  take(id: string, amount: number): Promise<Answer> {
    return this.ask('POST', '_/transaction', {
      steps: [
        { op: 'create', table: 'Line', data: { id, cardId: 'c1', productId: 'p1', amount } },
        { op: 'patch', table: 'Product', id: 'p1', data: { stock: { $inc: -amount } } },
      ],
    });
  }
}

const ids = (rows: readonly Row[]) => rows.map(({ id }) => id);

test('the kanban has no code: a schema, settings and a page', async () => {
  const files = (await readdir(KANBAN)).filter((name) => name !== '.env' && name !== 'data');
  expect(files.sort()).toEqual(['README.md', 'config.yaml', 'schema.graphql', 'web']);
});

test('two users share a board by its schema alone', { timeout: 180_000 }, async () => {
  await using server = await startKanban();
  const ada = await User.signUp(server.origin, 'ada');
  const bob = await User.signUp(server.origin, 'bob');
  const boards = bob.client.tables.Board.live();
  const cards = bob.client.tables.Card.live('sort=position');
  await Promise.all([boards.ready, cards.ready]);

  await ada.make('Board', { id: 'b1', name: 'Garden' });
  await ada.make('Card', { id: 'c1', boardId: 'b1', title: 'Dig', position: 1 });
  await ada.make('Product', { id: 'p1', boardId: 'b1', name: 'Seeds', stock: 5 });
  expect((await bob.ask('GET', 'Board')).records).toEqual([]);
  expect((await bob.ask('GET', 'Card/c1')).status).toBe(404);
  expect((await bob.ask('POST', 'Card', { boardId: 'b1', title: 'Mine' })).status).toBe(403);
  expect((await bob.ask('POST', 'Member', { boardId: 'b1', userId: bob.id, role: 'WRITER' })).status).toBe(403);
  expect((await ask('GET', `${ada.url}Card`)).status).toBe(401);

  // A reader sees the board and what is on it at once, and changes nothing.
  await ada.make('Member', { id: 'm1', boardId: 'b1', userId: bob.id });
  await expect.poll(() => [ids(boards.records), ids(cards.records)]).toEqual([['b1'], ['c1']]);
  expect((await bob.ask('PATCH', 'Card/c1', { title: 'Rest' })).status).toBe(403);
  expect((await bob.take('l0', 1)).status).toBe(403);
  expect((await ada.ask('POST', 'Member', { boardId: 'b1', userId: bob.id })).status).toBe(409);

  // A writer changes cards and stock, but neither the board nor what products are called.
  expect((await ada.ask('PATCH', 'Member/m1', { role: 'WRITER' })).status).toBe(200);
  expect((await bob.ask('PATCH', 'Card/c1', { title: 'Plant', assigneeId: bob.id })).status).toBe(200);
  await expect.poll(() => cards.get('c1')?.title).toBe('Plant');
  await bob.make('Card', { id: 'c2', boardId: 'b1', title: 'Water', position: 2 });
  await expect.poll(() => ids(cards.records)).toEqual(['c1', 'c2']);
  expect((await bob.ask('PATCH', 'Board/b1', { name: 'Mine' })).status).toBe(403);
  expect((await bob.ask('PATCH', 'Product/p1', { name: 'Weeds' })).status).toBe(403);
  expect((await bob.ask('PATCH', 'Member/m1', { role: 'READER' })).status).toBe(403);

  // Without the membership all of it is gone, on open streams too.
  expect((await ada.ask('DELETE', 'Member/m1')).status).toBe(204);
  await expect.poll(() => [ids(boards.records), ids(cards.records)]).toEqual([[], []]);
  expect((await bob.ask('PATCH', 'Card/c1', { title: 'Again' })).status).toBe(404);
});

test('the kanban refuses what its schema does not allow, field by field', { timeout: 180_000 }, async () => {
  await using server = await startKanban();
  const ada = await User.signUp(server.origin, 'ada');
  await ada.make('Board', { id: 'b1', name: 'Garden' });
  await ada.make('Card', { id: 'c1', boardId: 'b1', title: 'Dig' });
  const problems = async (method: string, path: string, json: unknown) => {
    const { status, record } = await ada.ask(method, path, json);
    return [status, ...((record.errors ?? []) as { field: string }[]).map(({ field }) => field)];
  };
  expect(await problems('POST', 'Card', { boardId: 'b1', title: '', labels: ['a', 'a'] })).toEqual([
    400,
    'title',
    'labels[1]',
  ]);
  expect(await problems('POST', 'Card', { boardId: 'nowhere', title: 'Lost' })).toEqual([403]);
  expect(await problems('PATCH', 'Card/c1', { assigneeId: 'nobody' })).toEqual([400, 'assigneeId']);
  expect(await problems('PATCH', 'Card/c1', { stage: 'DONE' })).toEqual([400, 'stage', 'assigneeId']);
  expect(await problems('PATCH', 'Card/c1', { startAt: '2030-02-01', dueAt: '2030-01-01' })).toEqual([
    400,
    'dueAt',
    'startAt',
  ]);
  expect(await problems('PATCH', 'Card/c1', { createdBy: 'another' })).toEqual([403, 'createdBy']);
  expect(await problems('POST', 'Board', { name: 'Theirs', ownerId: 'another' })).toEqual([403]);
});

test('stock is never taken twice, and a board goes with all that is on it', { timeout: 180_000 }, async () => {
  await using server = await startKanban();
  const ada = await User.signUp(server.origin, 'ada');
  const bob = await User.signUp(server.origin, 'bob');
  await ada.make('Board', { id: 'b1', name: 'Garden' });
  await ada.make('Card', { id: 'c1', boardId: 'b1', title: 'Dig', assigneeId: bob.id });
  await ada.make('Product', { id: 'p1', boardId: 'b1', name: 'Seeds', stock: 5 });
  await ada.make('Member', { id: 'm1', boardId: 'b1', userId: bob.id, role: 'WRITER' });
  const lines = bob.client.tables.Line.live('card.boardId==b1&sort=id');
  const products = bob.client.tables.Product.live();
  await Promise.all([lines.ready, products.ready]);

  // Ten takes of one from a stock of five, by two users at once.
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 === 0 ? ada : bob).take(`l${i}`, 1)));
  const statuses = answers.map(({ status }) => status).sort();
  expect(statuses).toEqual([200, 200, 200, 200, 200, 400, 400, 400, 400, 400]);
  await expect.poll(() => [lines.records.length, products.get('p1')?.stock]).toEqual([5, 0]);
  const refused = answers.find(({ status }) => status === 400);
  expect(refused?.record).toMatchObject({ code: 'VALIDATION_ERROR', errors: [{ field: 'steps[1].stock' }] });

  // Given back together with its line.
  const [first] = lines.records;
  const back = await bob.ask('POST', '_/transaction', {
    steps: [
      { op: 'delete', table: 'Line', id: first?.id },
      { op: 'patch', table: 'Product', id: 'p1', data: { stock: { $inc: 1 } } },
    ],
  });
  expect(back.status).toBe(200);
  await expect.poll(() => [lines.records.length, products.get('p1')?.stock]).toEqual([4, 1]);

  expect((await ada.ask('DELETE', 'Product/p1')).status).toBe(409);
  expect((await ada.ask('DELETE', `Person/${ada.id}`)).status).toBe(403);
  expect((await ada.ask('DELETE', 'Board/b1')).status).toBe(204);
  for (const table of ['Board', 'Member', 'Card', 'Product', 'Line']) {
    expect((await ada.ask('GET', table)).records, table).toEqual([]);
  }
  await expect.poll(() => [lines.records.length, products.records.length]).toEqual([0, 0]);
});
