import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { loadProject } from '../../src/boot/project.ts';
import { makeApp, makeFolder, mistakesOf, SCHEMA } from '../config/folders.ts';

test('one application is read with its plan', () => {
  const { apps, server, notices } = loadProject(makeApp('port: 7000\n'), {});
  expect([server.port, notices, apps.map(({ plan }) => plan.tables[0]?.name)]).toEqual([7000, [], ['Message']]);
});

test('errors of configuration and schemas are reported together, each with its folder', () => {
  const folder = makeFolder({
    'config.yaml': 'prot: 1\n',
    'one/schema.graphql': 'type A @table { id: ID }',
    'two/schema.graphql': SCHEMA,
    'two/config.yaml': 'rest: 7\n',
    'three/config.yaml': 'schemas: [none.graphql]\n',
  });
  expect(mistakesOf(() => loadProject(folder, {}))).toEqual([
    'config.yaml:1:1 unknown key "prot" | did you mean "port"?',
    'three/config.yaml:1:11 file "none.graphql" does not exist',
    'two/config.yaml:1:7 rest: expected true or false, found a number | write true or false',
    'one/schema.graphql:1:6 type "A" has no @primaryKey | mark one field: id: ID! @primaryKey',
  ]);
});

test('a file outside the folder is not read, not even to report its errors', () => {
  const folder = makeApp('schemas: [../secret.txt]\n');
  writeFileSync(join(dirname(folder), 'secret.txt'), 'password hunter2\n');
  expect(mistakesOf(() => loadProject(folder, {}))).toEqual([
    'config.yaml:1:11 "../secret.txt" is outside the application folder | write a path inside it',
  ]);
});
