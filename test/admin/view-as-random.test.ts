import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PEOPLE, type Tree, tree, type Who, write } from '../property/rules.ts';
import type { Json } from '../support/frames.ts';
import { SseClient } from '../support/sse-client.ts';
import { tokenOf } from '../support/tokens.ts';
import { ADMIN, AUTH, type Running, start } from './running.ts';

const quote = (rule: Tree) => JSON.stringify(write(rule));
const schema = (read: Tree, secret: Tree) => `
  type Item @table @export @access(read: ${quote(read)}, create: "admin", update: "admin", delete: "admin") {
    id: ID! @primaryKey
    owner: String
    n: Int
    open: Boolean
    secret: String @access(read: ${quote(secret)})
  }
`;

const change = fc.record(
  {
    owner: fc.constantFrom('ada', 'ben', 'cy', null),
    n: fc.integer({ min: 0, max: 2 }),
    open: fc.boolean(),
    secret: fc.constantFrom('x', 'y', null),
  },
  { requiredKeys: [] },
);
const key = fc.constantFrom('a', 'b', 'c', 'd');
const LISTS = [
  '',
  'n=ge=1&sort=-n,id',
  'count=true&limit=1',
  'aggregate=count&group=open',
  'select=id,secret',
  'secret==x',
];
const CALLERS = PEOPLE.filter(({ sub }) => sub !== undefined);

/** Answers of every list, and the events of a snapshot and of the changes since a position, as this token gets them. */
async function seen(app: Running, token: string, since: number): Promise<unknown> {
  const lists = [];
  for (const query of LISTS) {
    const { status, body, headers } = await app.send('GET', `Item?${query}`, undefined, token);
    // Problem details have the time of the request.
    lists.push([query, status, status < 300 ? body : body.code, headers.get('x-total-count')]);
  }
  const streams = [];
  for (const query of ['retained=true', `since=${since}`, `since=${since}&n=ge=1`, 'sort=n&limit=2&count=true']) {
    using stream = await SseClient.open(`${app.url}/Item?${query}`, { headers: { authorization: `Bearer ${token}` } });
    if (stream.status === 200) await stream.next('ready');
    streams.push([query, stream.status, stream.untimed]);
  }
  return { lists, streams };
}

async function viewOf(app: Running, { sub, roles, claims }: Who): Promise<string> {
  const { sub: _sub, ...others } = claims;
  const { status, body } = await app.send('POST', '_/admin/view-as', { sub, roles, claims: others } as Json, ADMIN);
  expect(status).toBe(201);
  return String(body.token);
}

test('a view token gets what the token of the caller gets, whatever the rules are', { timeout: 240_000 }, async () => {
  let records = 0;
  const property = fc.asyncProperty(
    tree,
    tree,
    fc.array(fc.tuple(key, change), { minLength: 2, maxLength: 12 }),
    async (read, secret, changes) => {
      const app = await start(schema(read, secret), AUTH);
      let since = 0;
      for (const [at, [id, fields]] of changes.entries()) {
        const { status, headers } = await app.send('PUT', `Item/${id}`, fields, ADMIN);
        expect(status).toBeLessThan(300);
        if (at === 0) since = Number(headers.get('x-position'));
      }
      await app.send('DELETE', `Item/${changes[0]?.[0]}`, undefined, ADMIN);
      for (const caller of CALLERS) {
        const { sub = '', roles, claims } = caller;
        const own = await seen(app, tokenOf(sub, { ...claims, roles }), since);
        expect(await seen(app, await viewOf(app, caller), since), `${sub}: ${write(read)}, ${write(secret)}`).toEqual(
          own,
        );
        const [[, , first]] = (own as { lists: [[string, number, unknown]] }).lists;
        if (Array.isArray(first)) records += first.length;
      }
      await app.stop();
    },
  );
  await fc.assert(property, { numRuns: Number(process.env.PROPERTY_RUNS ?? 25) });
  // Not for want of records.
  expect(records).toBeGreaterThan(20);
});
