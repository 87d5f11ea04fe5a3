import { expect, test } from 'vitest';
import { ADMIN, AUTH, start } from './running.ts';

const SCHEMA = `
type Board @table @export @access(read: "members==$auth.sub", create: "authenticated", update: ["owner==$auth.sub", "role:editor"]) {
  id: ID! @primaryKey, owner: String, members: [String!], cards: [Card] @relationship(to: "boardId")
}
type Card @table @export(public: [subscribe]) @access(read: "board.members==$auth.sub") {
  id: ID! @primaryKey, boardId: ID @indexed, board: Board @relationship(from: "boardId")
}
`;

test('every action is told with the rules that decide, as the doors decide', async () => {
  const app = await start(SCHEMA, AUTH);
  await app.send('PUT', 'Board/b1', { owner: 'u1', members: ['u1', 'u2'] }, ADMIN);
  await app.send('PUT', 'Card/c1', { boardId: 'b1' }, ADMIN);
  const why = async (path: string, caller?: object) => {
    const as = caller === undefined ? '' : `&as=${encodeURIComponent(JSON.stringify(caller))}`;
    return (await app.admin(`why?${path}${as}`, ADMIN)).body as { actions: Record<string, Record<string, unknown>> };
  };
  const owner = await why('table=Board&id=b1', { sub: 'u1' });
  expect(owner).toMatchObject({ table: 'Board', id: 'b1', exists: true });
  expect(owner.actions).toMatchObject({
    read: { allowed: 'yes', by: 'rules', rules: [{ rule: 'members==$auth.sub', holds: 'yes' }] },
    create: { allowed: 'yes', rules: [{ rule: 'authenticated', holds: 'yes' }] },
    update: {
      allowed: 'yes',
      rules: [
        { rule: 'owner==$auth.sub', holds: 'yes' },
        { rule: 'role:editor', holds: 'no' },
      ],
    },
    delete: { allowed: 'no', by: null, rules: [] },
  });
  expect((await why('table=Board&id=b1', { sub: 'u3' })).actions.read?.allowed).toBe('no');
  expect((await why('table=Board', { sub: 'u3' })).actions.read?.allowed).toBe('some');
  expect((await why('table=Board&action=read')).actions).toMatchObject({ read: { allowed: 'no' } });
  expect((await why('table=Card&id=c1', { sub: 'u2' })).actions.read?.allowed).toBe('yes');
  expect((await why('table=Card&id=c1', { sub: 'u3' })).actions.read?.allowed).toBe('no');
  expect((await why('table=Card&id=c1')).actions.subscribe).toMatchObject({ allowed: 'yes', by: 'public' });
  expect((await why('table=Board', { sub: 'r', roles: ['admin'] })).actions.delete).toMatchObject({
    allowed: 'yes',
    by: 'admin',
  });
});

test.each([
  ['as=x', 'as: expected a JSON object such as {"sub":"u1","roles":["editor"]}'],
  ['as=%7B%7D', 'as: needs sub, the subject of the caller'],
  ['as=%7B%22sub%22:%22a%22,%22role%22:1%7D', 'as: has sub, roles and claims, and not "role"'],
  ['as=%7B%22sub%22:%22a%22,%22roles%22:%22x%22%7D', 'as: roles must be a list of strings'],
  ['action=eat', 'action: there are read, create, update, delete, subscribe, publish'],
])('%s is refused', async (query, detail) => {
  const { body } = await (await start(SCHEMA, AUTH)).admin(`why?table=Board&${query}`, ADMIN);
  expect([body.code, body.detail]).toEqual(['INVALID_QUERY', detail]);
});
