import { expect, test } from 'vitest';
import { ANONYMOUS, type Identity, SERVER } from '../../src/auth/identity.ts';
import { InFlightKeys, makeIdempotencyKey } from '../../src/resources/idempotency.ts';
import { tableOf } from '../schema/mistakes.ts';

const table = tableOf('type T @table { id: ID! @primaryKey }');
const other = tableOf('type U @table { id: ID! @primaryKey }');

function principal(sub: string, ...roles: string[]): Identity {
  return { type: 'principal', sub, roles, claims: {}, expiresAt: undefined };
}

const request = { table, identity: ANONYMOUS as Identity, space: 'http', key: 'k', parts: ['POST', 1] };

test('the key differs for every caller, table, namespace and client key', () => {
  const requests = [
    request,
    { ...request, identity: SERVER },
    { ...request, identity: principal('ada') },
    { ...request, identity: principal('bob') },
    // No name of a user makes the key equal to that of another caller.
    { ...request, identity: principal('T","http') },
    { ...request, identity: principal('') },
    { ...request, table: other },
    { ...request, space: 'ws:a' },
    { ...request, space: 'ws:b' },
    { ...request, key: 'l' },
  ];
  expect(new Set(requests.map((one) => makeIdempotencyKey(one).key)).size).toBe(requests.length);
});

test('the key is the same for a user with another token or role, and another request has another hash', () => {
  const ada = { ...request, identity: principal('ada') };
  expect(makeIdempotencyKey({ ...request, identity: principal('ada', 'admin') })).toEqual(makeIdempotencyKey(ada));
  const changed = makeIdempotencyKey({ ...ada, parts: ['POST', 2] });
  expect(changed.key).toBe(makeIdempotencyKey(ada).key);
  expect(changed.hash).not.toBe(makeIdempotencyKey(ada).hash);
});

test('a key whose request is under way is not begun a second time', async () => {
  const progress = new InFlightKeys();
  let finish = (): void => {};
  const first = progress.run({ key: 'a', hash: 'h' }, () => new Promise<void>((resolve) => (finish = resolve)));
  const second = progress.run({ key: 'a', hash: 'h' }, () => Promise.resolve());
  await expect(second).rejects.toMatchObject({ code: 'IDEMPOTENCY_IN_PROGRESS' });
  finish();
  await first;
  await expect(progress.run({ key: 'a', hash: 'h' }, () => Promise.resolve(1))).resolves.toBe(1);
});
