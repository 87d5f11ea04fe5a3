import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runToExit, startServer } from '../support/app.ts';

const enumOf = (values: string) => `enum Status { ${values} }\n`;
const cardOf = (fields: string) => `type Card @table @export { id: ID! @primaryKey ${fields} }\n`;
const BEFORE = `${enumOf('TODO DOING DONE')}${cardOf('status: Status points: Int')}`;
const AFTER = `${enumOf('TODO DONE')}${cardOf('status: Status points: Int!')}`;
/** As a refused start writes it. */
const PATCH = /PATCH \/my-app\/(\S+) with \{"(\w+)": …\}/g;

test('the requests that a refusal names make the schema fit', { timeout: 40_000 }, async () => {
  await using server = await startServer({ schema: BEFORE });
  for (const card of [{ status: 'DOING' }, { status: 'TODO', points: 3 }, { status: 'DOING', points: 5 }]) {
    expect((await server.ask('POST', 'Card', { json: card })).status).toBe(201);
  }
  await server.stop();
  await writeFile(join(server.dir, 'schema.graphql'), AFTER);
  const refused = await runToExit(['start', server.dir]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).not.toContain('--allow-destructive');
  const requests = [...refused.stderr.matchAll(PATCH)];
  expect(requests.map(([, path]) => path)).toEqual(['Card?status==DOING', 'Card?points==null']);

  await writeFile(join(server.dir, 'schema.graphql'), BEFORE);
  await server.start();
  const values: Readonly<Record<string, unknown>> = { status: 'DONE', points: 0 };
  for (const [, path = '', field = ''] of requests) {
    const answer = await server.ask('PATCH', path, { json: { [field]: values[field] } });
    expect([answer.status, path]).toEqual([200, path]);
  }
  await server.stop();
  await writeFile(join(server.dir, 'schema.graphql'), AFTER);
  await server.start();
  const { records } = await server.ask('GET', 'Card?sort=points&select=status,points');
  expect(records.map(({ status, points }) => [status, points])).toEqual([
    ['DONE', 0],
    ['TODO', 3],
    ['DONE', 5],
  ]);
});
