import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadApplications } from '../../src/config/applications.ts';
import { makeApp, makeFolder, mistakesOf, SCHEMA } from './folders.ts';

describe('one application', () => {
  test('is a folder with schema.graphql', () => {
    const folder = makeApp('port: 7000\n');
    const { server, apps, notices } = loadApplications(folder, {});
    expect([server.port, apps.map(({ appId }) => appId), notices]).toEqual([7000, ['my-app'], []]);
  });

  test('is a folder whose config.yaml names its schemas', () => {
    const folder = makeFolder({
      'config.yaml': 'schemas: [a.graphql]\n',
      'a.graphql': SCHEMA,
      'sub/schema.graphql': SCHEMA,
    });
    expect(loadApplications(folder, {}).apps.map(({ dir }) => dir)).toEqual([folder]);
  });
});

describe('a folder of applications', () => {
  test('gives the server settings, and each application its own', () => {
    const folder = makeFolder({
      'config.yaml': 'port: 7000\nlimits: {body: 2MiB}\n',
      'two/schema.graphql': SCHEMA,
      'two/config.yaml': 'ws: false\n',
      'one/config.yaml': 'schemas: [s.graphql]\napp_id: first\n',
      'one/s.graphql': SCHEMA,
      'notes/readme.txt': '',
      '.git/schema.graphql': SCHEMA,
      'node_modules/schema.graphql': SCHEMA,
    });
    const { server, apps, notices } = loadApplications(folder, {});
    expect(server).toMatchObject({ port: 7000, limits: { body: 2 * 1024 ** 2, url: 8192 } });
    expect(apps.map(({ appId, ws, dataDir }) => [appId, ws, dataDir])).toEqual([
      ['first', undefined, join(folder, 'one/data')],
      ['two', false, join(folder, 'two/data')],
    ]);
    expect(notices).toEqual([expect.stringContaining('write `default: true` in one/config.yaml')]);
  });

  test('needs no config.yaml of its own', () => {
    const folder = makeFolder({ 'one/schema.graphql': SCHEMA });
    expect(loadApplications(folder, {}).server.port).toBe(9996);
  });

  test('ignores server keys of its applications and says so', () => {
    const folder = makeFolder({
      'one/schema.graphql': SCHEMA,
      'one/config.yaml': 'rest: true\nport: 7000\nhost: 0.0.0.0\n',
    });
    const { server, notices } = loadApplications(folder, {});
    expect(server).toMatchObject({ port: 9996, host: '127.0.0.1' });
    expect(notices).toEqual([
      'one/config.yaml:2:1 "port" is ignored: applications of one folder share a server, whose settings are in the config.yaml of the folder; write it there',
      'one/config.yaml:3:1 "host" is ignored: applications of one folder share a server, whose settings are in the config.yaml of the folder; write it there',
    ]);
  });

  test('may have only server keys', () => {
    const folder = makeFolder({
      'config.yaml': 'port: 7000\nrest: true\nevents: {retention: 1h}\n',
      'one/schema.graphql': SCHEMA,
    });
    const hint = 'move it there; this file is for the server that runs them all';
    expect(mistakesOf(() => loadApplications(folder, {}))).toEqual([
      `config.yaml:2:1 "rest" belongs in the config.yaml of one application | ${hint}`,
      `config.yaml:3:10 "events.retention" belongs in the config.yaml of one application | ${hint}`,
    ]);
  });

  test('reports the mistakes of every application at once', () => {
    const folder = makeFolder({
      'config.yaml': 'prot: 1\n',
      'one/schema.graphql': SCHEMA,
      'one/config.yaml': 'rest: 7\n',
      'two/schema.graphql': SCHEMA,
      'two/config.yaml': 'wss: true\n',
    });
    expect(mistakesOf(() => loadApplications(folder, {})).map((mistake) => mistake.split(' ')[0])).toEqual([
      'config.yaml:1:1',
      'one/config.yaml:1:7',
      'two/config.yaml:1:1',
    ]);
  });

  test('refuses two applications with one app_id or one data folder', () => {
    const folder = makeFolder({
      'one/schema.graphql': SCHEMA,
      'one/config.yaml': 'data_dir: ../data\n',
      'two/schema.graphql': SCHEMA,
      'two/config.yaml': 'app_id: one\ndata_dir: ../data\n',
    });
    expect(mistakesOf(() => loadApplications(folder, {}))).toEqual([
      'two/config.yaml:1:9 app_id "one" is also that of one | give it another app_id',
      'two/config.yaml:2:11 the data folder is also that of one | give each its own',
    ]);
  });
});

describe('not an application', () => {
  test('is a folder that does not exist', () => {
    const folder = join(makeFolder({}), 'none');
    expect(mistakesOf(() => loadApplications(folder, {}))).toEqual([`${folder} does not exist`]);
  });

  test('is a file', () => {
    const file = join(makeApp(''), 'config.yaml');
    expect(mistakesOf(() => loadApplications(file, {}))).toEqual([`${file} is not a folder`]);
  });

  test('is a folder with nothing in it', () => {
    const folder = makeFolder({ 'config.yaml': 'port: 1\n', 'sub/config.yaml': 'rest: true\n' });
    expect(mistakesOf(() => loadApplications(folder, {}))).toEqual([
      `${folder} is not an application and contains none: there is no schema.graphql | write ${folder}/schema.graphql, or name another folder`,
    ]);
  });
});
