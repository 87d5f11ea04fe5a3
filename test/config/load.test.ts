import { mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { cpuTimeOf } from '../support/cpu-time.ts';
import { makeApp, makeFolder, mistakesOf, SCHEMA } from './folders.ts';

const DEFAULT_SERVER = {
  host: '127.0.0.1',
  port: 9996,
  tls: undefined,
  trustProxy: false,
  allowedHosts: [],
  cors: { origins: [], credentials: false, allowedHeaders: [], exposedHeaders: [] },
  metrics: undefined,
  console: { enabled: true, allow: undefined, idleLock: 1_800_000 },
  logging: { level: 'info', format: 'auto', requests: false },
  limits: {
    body: 1024 ** 2,
    jsonDepth: 64,
    jsonKeys: 1000,
    batch: 1000,
    bulk: 10_000,
    cascade: 10_000,
    url: 8 * 1024,
    query: 64 * 1024,
    headers: 16 * 1024,
    headerCount: 100,
    headersTimeout: 10_000,
    requestTimeout: 30_000,
    keepAlive: 72_000,
    lingerSize: 64 * 1024 ** 2,
    lingerTime: 30_000,
    lingerConnections: 1000,
    pageDefault: 100,
    pageMax: 1000,
    window: 2000,
    transaction: 1000,
    groups: 1000,
    heldGroups: 100_000,
    related: 1000,
    relatedAffected: 1000,
    relatedChanges: 5000,
    scan: 100_000,
    filterLength: 4096,
    filterConditions: 32,
    filterDepth: 5,
    filterValues: 200,
    filterPattern: 128,
    listCache: 16_777_216,
    recordCache: 16_777_216,
    id: 256,
    connections: 10_000,
    connectionsPerAddress: 200,
    connectionsPerPrincipal: 50,
    newConnectionsPerSecond: 20,
    newConnectionsBurst: 100,
    requestsPerSecond: 100,
    requestsBurst: 200,
    anonymousRequestsPerSecond: 20,
    anonymousRequestsBurst: 100,
    rateLoopback: false,
    eventLoopDelay: 1000,
    subscriptions: 100,
    message: 512 * 1024,
    messageFragments: 1024,
    messageChunks: 4096,
    waitingMessages: 100,
    messagesPerSecond: 50,
    messagesBurst: 100,
    shutdown: 10_000,
    loginsPerMinute: 10,
    loginsWaiting: 100,
    signupsPerMinute: 10,
    sessionsPerUser: 100,
    tickets: 10_000,
    ticketsPerPrincipal: 50,
  },
  compression: { enabled: true, threshold: 1024 },
  channels: {
    pingInterval: 5000,
    pongTimeout: 10_000,
    ssePingInterval: 15_000,
    heartbeatInterval: 30_000,
    slowClientTimeout: 30_000,
    clientBuffer: 256 * 1024,
  },
};

/** Returns the mistakes in a config.yaml of an application. */
function mistakesIn(config: string | Uint8Array, env: NodeJS.ProcessEnv = {}): string[] {
  const folder = makeApp(config);
  return mistakesOf(() => loadConfig(folder, env));
}

function load(config: string, env: NodeJS.ProcessEnv = {}) {
  return loadConfig(makeApp(config), env);
}

describe('defaults', () => {
  test('are used for everything when there is no config.yaml', () => {
    const dir = makeFolder({ 'schema.graphql': SCHEMA });
    expect(loadConfig(dir, {})).toEqual({
      server: DEFAULT_SERVER,
      app: {
        appId: 'my-app',
        default: false,
        dir,
        rest: undefined,
        sse: undefined,
        ws: undefined,
        docs: true,
        schemas: [join(dir, 'schema.graphql')],
        routes: [],
        routesPrefix: '/api',
        web: undefined,
        webPolicy: expect.stringMatching(/^default-src 'self';/),
        dataDir: join(dir, 'data'),
        store: undefined,
        storePool: 10,
        externalWrites: 'publish',
        cluster: { poll: 1000, catchUp: 2000, grace: 5000, nats: undefined, rooms: 'shared' },
        durability: 'full',
        busyTimeout: 2000,
        events: { retention: 86_400_000, maxCount: 100_000, replayPage: 500 },
        hooks: [],
        hookTimeout: 5000,
        deadLetters: { retention: 2_592_000_000, maxCount: 10_000 },
        idempotency: { retention: 86_400_000, maxCount: 100_000, maxSize: 268_435_456 },
        audit: { retention: 7_776_000_000, maxCount: 1_000_000 },
        realtime: { enabled: true, path: '/api/v1/realtime' },
        auth: undefined,
      },
    });
  });

  test.each(['', '# nothing\n', 'limits:\nevents:\n  # retention: 1h\n'])(
    'stand when the file says nothing: %j',
    (text) => {
      expect(load(text).server).toEqual(DEFAULT_SERVER);
    },
  );

  test('the example needs no other key', () => {
    const { app, server } = load('rest: true\nws: true\nschemas:\n  - schema.graphql\n');
    expect(app).toMatchObject({ appId: 'my-app', rest: true, sse: undefined, ws: true });
    expect(server).toEqual(DEFAULT_SERVER);
  });

  test('include the folder "web" only when it exists', () => {
    const dir = makeFolder({ 'schema.graphql': SCHEMA, 'web/index.html': '' });
    expect(loadConfig(dir, {}).app.web).toBe(join(dir, 'web'));
  });
});

describe('values', () => {
  test('of every kind are read', () => {
    const { server, app } = load(`
app_id: other
sse: false
durability: normal
busy_timeout: 0
data_dir: ../elsewhere
events: {retention: 7d, max_count: 5}
host: localhost
port: 0
trust_proxy: true
tls: auto
logging: {level: silent, format: pretty, requests: true}
limits:
  body: 10MB
  id: 64
channels:
  ping_interval: 500ms
`);
    expect(app).toMatchObject({ appId: 'other', sse: false, durability: 'normal', busyTimeout: 0 });
    expect(app.dataDir).toBe(join(dirname(app.dir), 'elsewhere'));
    expect(app.events).toEqual({ retention: 7 * 86_400_000, maxCount: 5, replayPage: 500 });
    expect(server).toMatchObject({ host: 'localhost', port: 0, trustProxy: true, tls: 'auto' });
    expect(server.logging).toEqual({ level: 'silent', format: 'pretty', requests: true });
    expect(server.limits).toEqual({ ...DEFAULT_SERVER.limits, body: 10_000_000, id: 64 });
    expect(server.channels).toEqual({ ...DEFAULT_SERVER.channels, pingInterval: 500 });
  });

  test('of a certificate are paths from the folder', () => {
    const config = 'tls:\n  certificate: tls/cert.pem\n  private_key: tls/key.pem\n';
    const dir = makeFolder({ 'config.yaml': config, 'schema.graphql': SCHEMA, 'tls/cert.pem': '', 'tls/key.pem': '' });
    expect(loadConfig(dir, {}).server.tls).toEqual({
      certificate: join(dir, 'tls/cert.pem'),
      privateKey: join(dir, 'tls/key.pem'),
    });
  });

  test('of a path are used as they are', () => {
    const { app, server } = load('realtime: {path: /live_2/v1.0, enabled: false}\nlimits: {subscriptions: 7}\n');
    expect(app.realtime).toEqual({ path: '/live_2/v1.0', enabled: false });
    expect(server.limits.subscriptions).toBe(7);
  });

  test.each(['live', '/', '/live/', '//live', '/a b', '/:id', '/*', '/../x', '7'])('%j is no path', (path) => {
    expect(mistakesIn(`realtime:\n  path: ${path.startsWith('7') ? path : JSON.stringify(path)}\n`)).toEqual([
      expect.stringContaining('config.yaml:2:9 realtime.path: expected a path such as /api/v1/realtime'),
    ]);
  });

  test('may be shared by aliases', () => {
    const { limits } = load('limits:\n  body: &size 2MiB\n  message: *size\n').server;
    expect([limits.body, limits.message]).toEqual([2 * 1024 ** 2, 2 * 1024 ** 2]);
  });

  test('are frozen to their leaves', () => {
    const config = load('');
    const parts = [config, config.server, config.server.limits, config.app, config.app.schemas, config.app.events];
    expect(parts.every((part) => Object.isFrozen(part))).toBe(true);
  });
});

describe('the environment', () => {
  test('replaces variables, and without quotes the values keep their type', () => {
    const env = { PORT: '8080', REST: 'false', ID: 'x', SIZE: '2MiB' };
    const config = load(`port: \${PORT}\nrest: \${REST}\napp_id: "app-\${ID}"\nlimits:\n  body: \${SIZE}\n`, env);
    expect(config.server).toMatchObject({ port: 8080, limits: { body: 2 * 1024 ** 2 } });
    expect(config.app).toMatchObject({ appId: 'app-x', rest: false });
  });

  test('in quotes gives a string', () => {
    expect(load(`app_id: "\${N}"\n`, { N: '2025' }).app.appId).toBe('2025');
    expect(mistakesIn(`port: "\${PORT}"\n`, { PORT: '8080' })).toHaveLength(1);
  });

  test('may be missing where there is a default', () => {
    expect(load(`port: \${PORT:-7000}\n`).server.port).toBe(7000);
    expect(load(`schemas: ["\${FILE:-schema}.graphql"]\n`).app.schemas).toHaveLength(1);
  });

  test('cannot bring in keys or lists', () => {
    expect(mistakesIn(`events: \${X}\n`, { X: '{retention: 1h}' })).toHaveLength(1);
    expect(mistakesIn(`schemas: \${X}\n`, { X: '[schema.graphql]' })).toHaveLength(1);
  });

  test('is reported where a variable is missing', () => {
    expect(mistakesIn(`rest: true\nport: \${PORT}\n`)).toEqual([
      `config.yaml:2:7 environment variable PORT is not set | set it, or give a default: \${PORT:-…}`,
    ]);
  });

  test('is never shown in a message', () => {
    const env = { SECRET: 'hunter2' };
    const keys = ['port', 'busy_timeout', 'durability', 'rest'];
    const mistakes = mistakesIn(keys.map((key) => `${key}: \${SECRET}\n`).join(''), env);
    expect(mistakes).toHaveLength(keys.length);
    expect(mistakes.join('\n')).not.toContain('hunter2');
  });
});

describe('mistakes name line and column', () => {
  test.each([
    [
      'bad YAML',
      'rest: true\nws: [true\n',
      ['config.yaml:3:1 flow sequence in block collection must be sufficiently indented and end with a ]'],
    ],
    ['a tab as indentation', 'limits:\n\tbody: 1MiB\n', ['config.yaml:2:1 tabs are not allowed as indentation']],
    ['an unknown key', 'rest: true\nscemas: [a]\n', ['config.yaml:2:1 unknown key "scemas" | did you mean "schemas"?']],
    [
      'an unknown nested key',
      'limits:\n  boddy: 1MiB\n',
      ['config.yaml:2:3 unknown key "limits.boddy" | did you mean "body"?'],
    ],
    [
      'a key in the wrong section',
      'ping_interval: 5s\n',
      ['config.yaml:1:1 unknown key "ping_interval" | did you mean "channels.ping_interval"?'],
    ],
    ['a key in camelCase', 'dataDir: x\n', ['config.yaml:1:1 unknown key "dataDir" | did you mean "data_dir"?']],
    [
      'a key that every object has',
      'constructor: 1\n__proto__: 2\n',
      ['config.yaml:1:1 unknown key "constructor"', 'config.yaml:2:1 unknown key "__proto__"'],
    ],
    ['a key twice', 'rest: true\nrest: false\n', ['config.yaml:2:1 key "rest" is given twice | remove one of them']],
    ['a key without a value', 'port:\n', ['config.yaml:1:1 "port" has no value | remove the line, or write "9996"']],
    ['a section that is text', 'limits: none\n', ['config.yaml:1:9 expected keys and values in limits, found text']],
    ['a file that is a list', '- rest\n', ['config.yaml:1:1 expected keys and values in the file, found a list']],
    ['a file that is text', 'rest\n', ['config.yaml:1:1 expected keys and values in the file, found text']],
    [
      'text for true or false',
      'rest: yes\n',
      ['config.yaml:1:7 rest: expected true or false, found text | write true or false'],
    ],
    ['text for a port', 'port: http\n', ['config.yaml:1:7 port: expected an integer from 0 to 65535']],
    ['a port that is too large', 'port: 70000\n', ['config.yaml:1:7 port: expected an integer from 0 to 65535']],
    [
      'a number for text',
      'app_id: 2025\n',
      ['config.yaml:1:9 app_id: expected a string, found a number | put it in quotes'],
    ],
    [
      'a duration without a unit',
      'busy_timeout: 5\n',
      ['config.yaml:1:15 busy_timeout: duration 5 has no unit | write 5ms or 5s'],
    ],
    [
      'a duration that no timer can wait',
      'channels:\n  ping_interval: 30d\n',
      ['config.yaml:2:18 channels.ping_interval: expected 1ms to 24d, found 30d'],
    ],
    ['a size of nothing', 'limits:\n  body: 0\n', ['config.yaml:2:9 limits.body: expected 1 to 1GiB, found 0']],
    [
      'a count of nothing',
      'limits:\n  batch: 0\n',
      ['config.yaml:2:10 limits.batch: expected an integer from 1 to 1000000000'],
    ],
    ['an unknown choice', 'durability: half\n', ['config.yaml:1:13 durability: expected one of full, normal']],
    [
      'one schema without a list',
      'schemas: schema.graphql\n',
      ['config.yaml:1:10 schemas: expected a list, found text | write one per line: "  - name"'],
    ],
    ['an empty list', 'schemas: []\n', ['config.yaml:1:10 schemas: the list is empty']],
    [
      'a number in a list',
      'schemas:\n  - 7\n',
      ['config.yaml:2:3 schemas: expected a string in the list, found a number'],
    ],
    [
      'half a certificate',
      'tls:\n  certificate: a.pem\n',
      [
        'config.yaml:2:3 tls: tls needs a private_key | write `tls: auto`, `tls: false`, or `certificate:` and `private_key:` below it',
      ],
    ],
    [
      'a merge key',
      'a: &a {}\n<<: *a\n',
      [
        'config.yaml:1:1 unknown key "a"',
        'config.yaml:2:1 unknown key "<<" | merge keys are not supported: write the keys out',
      ],
    ],
    ['a tag', 'port: !!js/function x\n', ['config.yaml:1:7 tags (words that begin with "!") are not allowed']],
    ['two documents', 'rest: true\n---\nws: true\n', ['config.yaml:2:1 more than one document in the file']],
    ['a key that is a list', '? [a]\n: 1\n', ['config.yaml:1:3 a key must be a plain word']],
    [
      'pages in the wrong order',
      'limits:\n  page_max: 10\n  page_default: 20\n',
      ['config.yaml:3:17 limits.page_default is larger than limits.page_max'],
    ],
    [
      'a ping that comes too late',
      'channels:\n  pong_timeout: 5s\n',
      [
        'config.yaml:2:17 channels.pong_timeout must be longer than channels.ping_interval | an idle client would be ended before it is pinged',
      ],
    ],
    [
      'an open host',
      'host: 0.0.0.0\n',
      [
        'config.yaml:1:7 host "0.0.0.0" can be reached from other machines, and authentication is off | configure `auth`, write `auth: none` to confirm that the API is public, or `host: 127.0.0.1`',
      ],
    ],
  ])('%s', (_, config, expected) => {
    expect(mistakesIn(config)).toEqual(expected);
  });

  test('all of them at once, with the line and a caret', () => {
    const folder = makeApp('rset: true\nport: many\nlimits:\n  url: 8kb\n');
    expect(() => loadConfig(folder, {})).toThrow(
      [
        'config.yaml:1:1 unknown key "rset"',
        '  1 | rset: true',
        '      ^',
        '  did you mean "rest"?',
        '',
        'config.yaml:2:7 port: expected an integer from 0 to 65535',
        '  2 | port: many',
        '            ^',
        '',
        'config.yaml:4:8 limits.url: unknown unit "kb" in a size',
        '  4 |   url: 8kb',
        '             ^',
        '  did you mean "8KB"?',
      ].join('\n'),
    );
  });

  test('a host that can be reached from outside is accepted with auth: none', () => {
    const { server, app } = load('host: 0.0.0.0\nauth: none\n');
    expect([server.host, app.auth]).toEqual(['0.0.0.0', 'none']);
    expect(load('host: "::1"\n').server.host).toBe('::1');
  });
});

describe('hostile files are refused quickly', () => {
  const bomb = `a: &a [x, x, x, x, x, x, x, x, x, x]\n${[...'bcdefgh']
    .map(
      (name, index) => `${name}: &${name} [${Array.from({ length: 10 }, () => `*${'abcdefgh'[index]}`).join(', ')}]\n`,
    )
    .join('')}`;
  const wide = `x: &x a\nschemas: [${Array.from({ length: 200 }, () => '*x').join(', ')}]\n`;

  test.each<[string, string | Uint8Array, string]>([
    ['an alias bomb', `${bomb}schemas: *h\n`, 'config.yaml'],
    ['an alias bomb of few aliases', `${bomb.replace(/(\*\w, ){5}/g, '')}schemas: *h\n`, 'config.yaml'],
    ['200 aliases', wide, 'more than 100 aliases'],
    ['an alias of itself', 'schemas: &a [*a]\n', 'config.yaml:1'],
    ['an unknown alias', 'port: *nowhere\n', 'config.yaml:1:7 there is no anchor "&nowhere"'],
    ['10 MB', `# ${'x'.repeat(10 * 1024 ** 2)}\n`, 'config.yaml is larger than 1048576 bytes'],
    ['20,000 nested lists', `schemas: ${'['.repeat(20_000)}`, 'nested too deeply'],
    ['20,000 unknown keys', Array.from({ length: 20_000 }, (_, i) => `k${i}:\n`).join(''), 'more errors'],
    ['bytes that are no text', new Uint8Array([0x72, 0xff, 0xfe]), 'config.yaml is not UTF-8 text'],
  ])('%s', (_, config, sentence) => {
    let mistakes: readonly string[] = [];
    const time = cpuTimeOf(() => {
      mistakes = mistakesIn(config);
    });
    expect(time).toBeLessThan(2000);
    expect(mistakes.join('\n')).toContain(sentence);
    expect(mistakes.length).toBeLessThanOrEqual(101);
  });

  test('a folder called config.yaml', () => {
    const folder = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml/x': '' });
    expect(mistakesOf(() => loadConfig(folder, {}))).toEqual(['config.yaml is not a file']);
  });
});

describe('schemas and web stay inside the folder', () => {
  test.each([
    [
      'a path up',
      'schemas:\n  - ../outside.graphql\n',
      'config.yaml:2:5 "../outside.graphql" is outside the application folder | write a path inside it',
    ],
    [
      'a path up from below',
      'schemas: [a/../../outside.graphql]\n',
      'config.yaml:1:11 "a/../../outside.graphql" is outside the application folder | write a path inside it',
    ],
    [
      'an absolute path',
      'schemas: [/etc/passwd]\n',
      'config.yaml:1:11 "/etc/passwd" is outside the application folder | write a path inside it',
    ],
    [
      'a link out',
      'schemas: [link.graphql]\n',
      'config.yaml:1:11 "link.graphql" leads outside the application folder | write a path inside it',
    ],
    [
      'a file in a linked folder',
      'schemas: [linked/outside.graphql]\n',
      'config.yaml:1:11 "linked/outside.graphql" leads outside the application folder | write a path inside it',
    ],
    ['a missing file', 'schemas: [none.graphql]\n', 'config.yaml:1:11 file "none.graphql" does not exist'],
    ['a folder as a schema', 'schemas: [sub]\n', 'config.yaml:1:11 "sub" is not a file'],
    [
      'a schema twice',
      'schemas: [schema.graphql, ./schema.graphql]\n',
      'config.yaml:1:27 "./schema.graphql" is listed twice',
    ],
    [
      'a module of hooks outside',
      'hooks: ../outside.graphql\n',
      'config.yaml:1:8 "../outside.graphql" is outside the application folder | write a path inside it',
    ],
    [
      'a module of hooks that is a link out',
      'hooks: [schema.graphql, link.graphql]\n',
      'config.yaml:1:25 "link.graphql" leads outside the application folder | write a path inside it',
    ],
    ['a missing module of hooks', 'hooks: none.ts\n', 'config.yaml:1:8 file "none.ts" does not exist'],
    [
      'a module of hooks twice',
      'hooks: [schema.graphql, ./schema.graphql]\n',
      'config.yaml:1:25 "./schema.graphql" is listed twice',
    ],
    [
      'a web folder above',
      'web: ..\n',
      'config.yaml:1:6 ".." is outside the application folder | write a path inside it',
    ],
    [
      'a web folder that is a link out',
      'web: linked\n',
      'config.yaml:1:6 "linked" leads outside the application folder | write a path inside it',
    ],
    ['a missing web folder', 'web: public\n', 'config.yaml:1:6 folder "public" does not exist'],
    ['a web folder that is a file', 'web: schema.graphql\n', 'config.yaml:1:6 "schema.graphql" is not a folder'],
    [
      'a web folder with everything in it',
      'web: .\n',
      'config.yaml:1:6 everything in "." is served, and the data is in it | give the static files a folder of their own',
    ],
    [
      'a web folder with the data',
      'web: sub\ndata_dir: sub/data\n',
      'config.yaml:1:6 everything in "sub" is served, and the data is in it | give the static files a folder of their own',
    ],
    [
      'a web folder with a module of hooks',
      'web: sub\nhooks: sub/x\n',
      'config.yaml:1:6 everything in "sub" is served, and a module is in it | give the static files a folder of their own',
    ],
    ['a data folder that is a file', 'data_dir: schema.graphql\n', 'config.yaml:1:11 "schema.graphql" is not a folder'],
    [
      'a missing certificate',
      'tls: {certificate: /nowhere/a.pem, private_key: schema.graphql}\n',
      'config.yaml:1:6 tls: file "/nowhere/a.pem" does not exist',
    ],
  ])('%s', (_, config, expected) => {
    const folder = makeFolder({ 'config.yaml': config, 'schema.graphql': SCHEMA, 'sub/x': '', 'a/x': '' });
    const outside = join(dirname(folder), 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'outside.graphql'), SCHEMA);
    writeFileSync(join(dirname(folder), 'outside.graphql'), SCHEMA);
    symlinkSync(join(outside, 'outside.graphql'), join(folder, 'link.graphql'));
    symlinkSync(outside, join(folder, 'linked'));
    expect(mistakesOf(() => loadConfig(folder, {}))).toEqual([expected]);
  });

  test('a link that stays inside is fine, also when the folder itself is reached by a link', () => {
    const folder = makeApp('schemas: [link.graphql]\n');
    symlinkSync(join(folder, 'schema.graphql'), join(folder, 'link.graphql'));
    const way = join(dirname(folder), 'way');
    symlinkSync(folder, way);
    expect(loadConfig(way, {}).app.schemas).toEqual([join(way, 'link.graphql')]);
    expect(realpathSync(way)).toBe(realpathSync(folder));
  });

  test('without a schema the error says what to do', () => {
    const folder = makeApp('rest: true\n');
    rmSync(join(folder, 'schema.graphql'));
    expect(mistakesOf(() => loadConfig(folder, {}))).toEqual([
      'config.yaml file "schema.graphql" does not exist | write the tables there, or name the files under `schemas:`',
    ]);
  });
});

describe('app_id', () => {
  test.each(['a', 'A-b_c.9', '9', 'x'.repeat(64)])('%s is accepted', (appId) => {
    expect(load(`app_id: "${appId}"\n`).app.appId).toBe(appId);
  });

  test.each(['a b', 'a/b', 'ä', '.well-known', '..', '%41', 'x'.repeat(65)])('%s cannot be part of a URL', (appId) => {
    expect(mistakesIn(`app_id: "${appId}"\n`)).toMatchObject([expect.stringContaining('cannot be part of a URL')]);
  });

  test.each(['health', 'metrics', 'Metrics', 'socket.io', 'api', 'auth'])('%s is used by the server', (appId) => {
    expect(mistakesIn(`app_id: ${appId}\n`)).toEqual([
      `config.yaml:1:9 app_id "${appId}" is used by the server itself | for example \`app_id: my-app\``,
    ]);
  });

  test('must be written when the name of the folder cannot be part of a URL', () => {
    const folder = join(makeFolder({ 'My App/schema.graphql': SCHEMA }), 'My App');
    expect(mistakesOf(() => loadConfig(folder, {}))).toEqual([
      'config.yaml the folder\'s name "My App" cannot be part of a URL: only letters, digits, "-", "_" and ".", not first "." | name the application: `app_id: my-app`',
    ]);
  });
});
