import { expect, test } from 'vitest';
import { ADMIN, AUTH, start } from './running.ts';

const SCHEMA = `
"""What a team has to do."""
type Task @table(expiration: "7d") @audit @export @compositeIndex(fields: ["state", "made"])
  @access(read: "authenticated", update: "owner==$auth.sub") @check(rule: "made > 0", message: "made is positive") {
  id: ID! @primaryKey
  "Shown in lists."
  title: String! @constraint(maxLength: 80)
  state: State! @default(value: open) @indexed
  made: Int
  owner: String @default(value: "$auth.sub")
  secret: String @hidden
  tags: [String!]
  place: Place
  notes: [Note] @relationship(to: "taskId")
}
type Note @table { id: ID! @primaryKey, taskId: ID @indexed }
type Place { city: String }
enum State { open done }
`;

test('the schema is told whole, with rules, indexes and the files that it is from', async () => {
  const app = await start(SCHEMA, AUTH);
  const { status, body } = await app.admin('schema', ADMIN);
  expect(status).toBe(200);
  expect(body).toMatchObject({ app_id: 'my-app', admin_role: 'admin', enums: { State: ['open', 'done'] } });
  expect(body.files).toEqual([{ path: 'schema.graphql', text: SCHEMA }]);
  expect(Object.keys(body.types as object)).toEqual(['Place']);
  const [task = {}, note] = body.tables as Record<string, unknown>[];
  expect(task).toMatchObject({
    name: 'Task',
    type: 'Task',
    has_url: true,
    docs: 'What a team has to do.',
    primary_key: 'id',
    audited: true,
    expiration_ms: 604_800_000,
    transports: ['rest', 'sse', 'ws'],
    checks: [{ rule: 'made > 0', message: 'made is positive' }],
    relations: [{ name: 'notes', target: 'Note', many: true, to: 'taskId' }],
    indexes: [
      { fields: ['state'], unique: false, fulltext: false },
      { fields: ['state', 'made'], unique: false, fulltext: false },
    ],
    access: {
      public: [],
      offered: ['read', 'update', 'subscribe'],
      rules: { read: ['authenticated'], update: ['owner==$auth.sub'] },
    },
  });
  const fields = new Map((task.fields as { name: string }[]).map((field) => [field.name, field]));
  expect(fields.get('title')).toMatchObject({
    type: 'String!',
    docs: 'Shown in lists.',
    constraints: { maxLength: 80 },
  });
  expect(fields.get('state')).toMatchObject({ kind: 'enum', type: 'State!', default: 'open', indexed: true });
  expect(fields.get('owner')).toMatchObject({ default_claim: '$auth.sub', required: false });
  expect(fields.get('secret')).toMatchObject({ hidden: true });
  expect(fields.get('tags')).toMatchObject({ kind: 'list', type: '[String!]' });
  expect(note).toMatchObject({ name: 'Note', has_url: false });
});
