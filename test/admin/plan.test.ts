import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ADMIN, AUTH, start, USER } from './running.ts';

const SCHEMA = 'type Note @table @export { id: ID! @primaryKey, text: String, size: Int }';

describe('the plan of a schema', () => {
  test('says what the files on the disk would do to the store, and does nothing', async () => {
    const app = await start(SCHEMA);
    for (const id of ['a', 'b']) await app.send('PUT', `Note/${id}`, { text: id, size: 1 });
    expect((await app.admin('schema/plan')).body).toEqual({
      valid: true,
      errors: [],
      stored: true,
      pending: false,
      impossible: false,
      losing: [],
      steps: [],
    });
    writeFileSync(join(app.dir, 'schema.graphql'), SCHEMA.replace(', size: Int', ', made: Date'));
    const { body } = await app.admin('schema/plan');
    expect(body).toMatchObject({ valid: true, pending: true, losing: ['Note.size'] });
    expect(body.steps).toEqual(
      expect.arrayContaining([expect.objectContaining({ effect: 'loses', name: 'Note.size', records: 2 })]),
    );
    expect((await app.send('GET', 'Note/a')).body).toEqual({ id: 'a', text: 'a', size: 1 });
  });

  test('is made of files that are sent, with each error at its place', async () => {
    const app = await start(SCHEMA);
    const planOf = (text: string) =>
      app.send('POST', '_/admin/schema/plan', { files: [{ path: 'new.graphql', text }] });
    const { body } = await planOf(SCHEMA.replace('size: Int', 'size: Int @indexed'));
    expect(body).toMatchObject({ valid: true, pending: true, losing: [] });
    const wrong = await planOf('type Note @table @export(nope: 1) {\n  id: Strin\n}');
    expect([wrong.status, wrong.body.valid]).toEqual([200, false]);
    expect(wrong.body.errors).toEqual(
      expect.arrayContaining([expect.objectContaining({ path: 'new.graphql', line: 2, message: expect.any(String) })]),
    );
    const rule = await planOf('type Note @table @export @access(read: "nope==1") { id: ID! @primaryKey }');
    expect(rule.body.valid).toBe(false);
    for (const json of [undefined, {}, { files: [] }, { files: [{ path: 1, text: '' }] }]) {
      expect((await app.send('POST', '_/admin/schema/plan', json)).status).toBe(400);
    }
  });

  test('is for administrators', async () => {
    const app = await start(SCHEMA, AUTH);
    const statuses = [];
    for (const token of [undefined, USER, ADMIN]) {
      statuses.push((await app.admin('schema/plan', token)).status);
      statuses.push(
        (await app.send('POST', '_/admin/schema/plan', { files: [{ path: 'a', text: SCHEMA }] }, token)).status,
      );
    }
    expect(statuses).toEqual([401, 401, 403, 403, 200, 200]);
  });
});
