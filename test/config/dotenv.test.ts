import { expect, test } from 'vitest';
import { loadApplications, readApplications } from '../../src/config/applications.ts';
import { withoutSecrets } from '../../src/config/files/interpolate.ts';
import { Report } from '../../src/config/files/report.ts';
import { loadConfig } from '../../src/config/load.ts';
import { makeFolder, mistakesOf, SCHEMA } from './folders.ts';

const CONFIG = `app_id: \${NAME}
port: \${PORT:-1}
auth: { jwt: { secret: "\${JWT_SECRET}" } }
`;
const SECRET = 'k7Hq2pZs9vXw4tRb6nMc8yLd3fGj5aEu';

test('.env beside config.yaml gives its variables, and the environment wins', () => {
  const folder = makeFolder({
    'config.yaml': CONFIG,
    'schema.graphql': SCHEMA,
    '.env': `# for development\nexport NAME=shop\nPORT=2\nJWT_SECRET="${SECRET}" # the key\n`,
  });
  const { app, server } = loadConfig(folder, { PORT: '3' });
  expect([app.appId, server.port, app.auth]).toMatchObject(['shop', 3, { jwt: { secret: SECRET } }]);
  // An empty variable is set.
  expect(mistakesOf(() => loadConfig(folder, { NAME: '' }))[0]).toContain('app_id');
});

test('each of several applications has its own', () => {
  const folder = makeFolder({
    'config.yaml': `port: \${PORT}\n`,
    '.env': 'PORT=5\nNAME=none\n',
    'a/schema.graphql': SCHEMA,
    'a/config.yaml': `app_id: \${NAME}\n`,
    'a/.env': 'NAME=first\n',
    'b/schema.graphql': SCHEMA,
    'b/config.yaml': `app_id: \${NAME:-second}\n`,
  });
  const { server, apps } = loadApplications(folder, {});
  expect([server.port, ...apps.map(({ appId }) => appId)]).toEqual([5, 'first', 'second']);
});

test('a file that cannot be read is reported', () => {
  const folder = makeFolder({ 'schema.graphql': SCHEMA, '.env/x': '', 'b.txt': '' });
  expect(mistakesOf(() => loadConfig(folder, {}))).toEqual(['.env is not a file']);
  const binary = makeFolder({ 'schema.graphql': SCHEMA, '.env': new Uint8Array([0x41, 0x3d, 0xff]) });
  expect(mistakesOf(() => loadConfig(binary, {}))).toEqual(['.env is not UTF-8 text']);
});

test('secrets may be missing for a command that starts no server, and nothing else', () => {
  const read = (config: string) => {
    const folder = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': config });
    const report = new Report();
    const apps = readApplications(folder, { env: withoutSecrets({}), report })?.apps;
    report.throwIfAny();
    return apps?.[0];
  };
  expect(read(CONFIG.replace(`\${NAME}`, 'shop'))?.auth).toMatchObject({ jwt: { algorithm: 'HS256' } });
  expect(
    read(`auth:
  jwt:
    jwks_url: \${URL}
`)?.auth,
  ).toMatchObject({ jwt: { algorithm: 'RS256' } });
  expect(mistakesOf(() => read(CONFIG))).toEqual([
    `config.yaml:1:9 environment variable NAME is not set | set it, or give a default: \${NAME:-…}`,
  ]);
  expect(mistakesOf(() => read(`data_dir: \${DATA}\n`))[0]).toContain('DATA is not set');
});
