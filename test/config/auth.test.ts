import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { loadApplications } from '../../src/config/applications.ts';
import { loadConfig } from '../../src/config/load.ts';
import { overrideServer } from '../../src/config/overrides.ts';
import { makeApp, makeFolder, mistakesOf, SCHEMA } from './folders.ts';

const SECRET = 'k3Jx0-qTz8vLw2_NpYd7RbHs5UfGm1Ac';
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ED = generateKeyPairSync('ed25519');

const pemOf = (key: typeof RSA.publicKey) => key.export({ type: 'spki', format: 'pem' }).toString();

function authOf(config: string, files: Readonly<Record<string, string>> = {}, env: NodeJS.ProcessEnv = {}) {
  const folder = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': config, ...files });
  return loadConfig(folder, env).app.auth;
}

function mistakesIn(config: string, files: Readonly<Record<string, string>> = {}, env: NodeJS.ProcessEnv = {}) {
  const folder = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': config, ...files });
  return mistakesOf(() => loadConfig(folder, env));
}

describe('auth of an application', () => {
  test('has a default for everything but the key', () => {
    expect(authOf(`auth:\n  jwt:\n    secret: ${SECRET}\n`)).toEqual({
      jwt: {
        secret: SECRET,
        publicKey: undefined,
        jwksUrl: undefined,
        algorithm: 'HS256',
        issuer: undefined,
        audience: undefined,
        rolesClaim: 'roles',
        leeway: 5000,
      },
      accessTokenLifetime: 3_600_000,
      refreshTokenLifetime: 30 * 86_400_000,
      refreshTokenGrace: 30_000,
      ticketLifetime: 60_000,
      users: false,
      signup: false,
      adminRole: 'admin',
      queryToken: false,
    });
  });

  test('can be written in full, with the secret in the environment', () => {
    const config = `auth:
  jwt: { secret: "\${JWT_SECRET}", issuer: us, audience: app, roles_claim: realm.roles, leeway: 0 }
  access_token_lifetime: 10m
  refresh_token_lifetime: 90d
  ticket_lifetime: 10s
  users: true
  signup: true
  admin_role: root
  query_token: true
`;
    expect(authOf(config, {}, { JWT_SECRET: SECRET })).toMatchObject({
      jwt: { secret: SECRET, issuer: 'us', audience: 'app', rolesClaim: 'realm.roles', leeway: 0 },
      accessTokenLifetime: 600_000,
      refreshTokenLifetime: 90 * 86_400_000,
      refreshTokenGrace: 30_000,
      ticketLifetime: 10_000,
      users: true,
      signup: true,
      adminRole: 'root',
      queryToken: true,
    });
  });

  test.each([
    ['RS256', RSA],
    ['ES256', EC],
    ['EdDSA', ED],
  ])('infers %s from the public key', (algorithm, { publicKey }) => {
    const files = { 'keys/idp.pem': pemOf(publicKey) };
    const config = 'auth: {jwt: {public_key: keys/idp.pem}}\n';
    expect(authOf(config, files)).toMatchObject({ jwt: { publicKey: files['keys/idp.pem'], algorithm } });
  });

  test('accepts a JWKS URL over https or on loopback', () => {
    const read = (url: string) => authOf(`auth: {jwt: {jwks_url: "${url}"}}\n`);
    expect(read('https://id.example.com/jwks')).toMatchObject({
      jwt: { jwksUrl: 'https://id.example.com/jwks', algorithm: 'RS256' },
    });
    expect(read('http://127.0.0.1:81/jwks')).toMatchObject({ jwt: { jwksUrl: 'http://127.0.0.1:81/jwks' } });
    expect(read('http://[::1]/jwks')).toMatchObject({ jwt: { jwksUrl: 'http://[::1]/jwks' } });
  });

  test('can be missing or none', () => {
    expect(authOf('rest: true\n')).toBeUndefined();
    expect(authOf('auth: none\n')).toBe('none');
  });
});

const RANDOM = 'give it at least 32 random bytes, for example from `openssl rand -base64 48`';
const NO_KEY = 'auth needs a key that tokens are checked with';
const SOURCES = 'write secret, public_key or jwks_url below `jwt:`, or `auth: none`';
const FOLLOWS = 'remove the line: the algorithm follows from the key';
const NO_PUBLIC_KEY = 'this is not a public key of RSA (2048 bits or more), P-256 or Ed25519 in PEM';
const HTTPS = 'write an https address, for example https://login.example.com/.well-known/jwks.json';

describe('mistakes in auth', () => {
  test.each<[string, string, readonly string[]]>([
    ['another word', 'auth: open\n', ['config.yaml:1:7 auth: expected none']],
    ['nothing below it', 'auth:\n', ['config.yaml:1:1 "auth" has no value | remove the line']],
    ['an empty mapping', 'auth: {}\n', [`config.yaml:1:1 ${NO_KEY} | ${SOURCES}`]],
    ['no key', 'auth:\n  users: true\n', [`config.yaml:1:1 ${NO_KEY} | ${SOURCES}`]],
    ['no key in jwt', 'auth:\n  jwt:\n    issuer: a\n', [`config.yaml:2:3 ${NO_KEY} | ${SOURCES}`]],
    [
      'a typo',
      `auth: {jwt: {secert: x}}\n`,
      [
        `config.yaml:1:8 ${NO_KEY} | ${SOURCES}`,
        'config.yaml:1:14 unknown key "auth.jwt.secert" | did you mean "secret"?',
      ],
    ],
    [
      'two keys',
      `auth: {jwt: {secret: ${SECRET}, jwks_url: "https://a.example"}}\n`,
      ['config.yaml:1:66 secret and jwks_url are both given | remove one'],
    ],
    [
      'a short secret',
      `auth: {jwt: {secret: ${SECRET.slice(1)}}}\n`,
      [`config.yaml:1:22 auth.jwt.secret: expected at least 32 bytes, found 31 | ${RANDOM}`],
    ],
    [
      'a monotonous secret',
      `auth: {jwt: {secret: ${'abcdefg'.repeat(6)}}}\n`,
      [`config.yaml:1:22 auth.jwt.secret: a secret must not repeat the same few characters | ${RANDOM}`],
    ],
    [
      'a number',
      `auth: {jwt: {secret: 12345678901234567890123456789012345}}\n`,
      ['config.yaml:1:22 auth.jwt.secret: expected a string, found a number | put it in quotes'],
    ],
    [
      'users without a secret',
      'auth: {users: true, jwt: {jwks_url: "https://a.example"}}\n',
      [
        'config.yaml:1:15 users need tokens that the server signs, and so auth.jwt.secret | write `secret:` below `jwt:`, or `users: false`',
      ],
    ],
    [
      'signup without users',
      `auth: {signup: true, jwt: {secret: ${SECRET}}}\n`,
      ['config.yaml:1:16 signup is for built-in users | write `users: true` as well'],
    ],
    [
      'an algorithm of another key',
      `auth: {jwt: {secret: ${SECRET}, algorithm: RS256}}\n`,
      [`config.yaml:1:67 RS256 does not fit secret | ${FOLLOWS}`],
    ],
    [
      'HS256 with a JWKS URL',
      'auth: {jwt: {jwks_url: "https://a.example", algorithm: HS256}}\n',
      [`config.yaml:1:56 HS256 does not fit jwks_url | ${FOLLOWS}`],
    ],
    [
      'an algorithm that does not exist',
      `auth: {jwt: {secret: ${SECRET}, algorithm: none}}\n`,
      ['config.yaml:1:67 auth.jwt.algorithm: expected one of HS256, RS256, ES256, EdDSA'],
    ],
    [
      'http',
      'auth: {jwt: {jwks_url: "http://a.example"}}\n',
      [`config.yaml:1:24 auth.jwt.jwks_url: expected https; http is for loopback only | ${HTTPS}`],
    ],
    [
      'a file',
      'auth: {jwt: {jwks_url: "file:///etc/passwd"}}\n',
      [`config.yaml:1:24 auth.jwt.jwks_url: expected https; http is for loopback only | ${HTTPS}`],
    ],
    [
      'a password',
      'auth: {jwt: {jwks_url: "https://a:b@a.example"}}\n',
      [`config.yaml:1:24 auth.jwt.jwks_url: the address may not have a password | ${HTTPS}`],
    ],
    [
      'no address',
      'auth: {jwt: {jwks_url: jwks.json}}\n',
      [`config.yaml:1:24 auth.jwt.jwks_url: expected an address | ${HTTPS}`],
    ],
    ['no file', 'auth: {jwt: {public_key: none.pem}}\n', ['config.yaml:1:26 the file does not exist']],
    ['a folder', 'auth: {jwt: {public_key: .}}\n', ['config.yaml:1:26 this is not a file with a key']],
    ['a schema', 'auth: {jwt: {public_key: schema.graphql}}\n', [`config.yaml:1:26 ${NO_PUBLIC_KEY}`]],
    [
      'a long-lived ticket',
      `auth: {ticket_lifetime: 2m, jwt: {secret: ${SECRET}}}\n`,
      ['config.yaml:1:25 auth.ticket_lifetime: expected 1s to 1m, found 2m'],
    ],
    [
      'a long leeway',
      `auth: {jwt: {leeway: 2m, secret: ${SECRET}}}\n`,
      ['config.yaml:1:22 auth.jwt.leeway: expected 0ms to 1m, found 2m'],
    ],
  ])('%s', (_, config, expected) => {
    expect(mistakesIn(config)).toEqual(expected);
  });

  test.each([
    'your-256-bit-secret-your-256-bit-secret',
    'a-string-secret-at-least-256-bits-long',
    'super-secret-jwt-token-with-at-least-32-characters-long',
    'please-CHANGE_ME-before-production-1234567890',
    '0123456789abcdef0123456789abcdef',
  ])('the well-known secret %s', (secret) => {
    expect(mistakesIn(`auth: {jwt: {secret: "${secret}"}}\n`)).toEqual([
      `config.yaml:1:22 auth.jwt.secret: this is a well-known example, not a secret | ${RANDOM}`,
    ]);
  });

  test('a secret from the environment is not shown', () => {
    const config = `auth: {jwt: {secret: "\${JWT_SECRET}"}}\n`;
    const mistakes = mistakesIn(config, {}, { JWT_SECRET: 'hunter2' });
    expect(mistakes).toEqual([
      `config.yaml:1:22 auth.jwt.secret: the environment variable does not give a value that fits | ${RANDOM}`,
    ]);
    expect(mistakesIn(config)).toEqual([
      `config.yaml:1:22 environment variable JWT_SECRET is not set | set it, or give a default: \${JWT_SECRET:-…}`,
    ]);
  });

  test.each([
    [
      'a private key',
      EC.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      'this is a private key | give its public part: openssl pkey -in … -pubout',
    ],
    [
      'a curve that is not taken',
      pemOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey),
      NO_PUBLIC_KEY,
    ],
    ['a short RSA key', pemOf(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey), NO_PUBLIC_KEY],
    ['Ed448', pemOf(generateKeyPairSync('ed448').publicKey), NO_PUBLIC_KEY],
  ])('%s as the public key', (_, pem, expected) => {
    expect(mistakesIn('auth: {jwt: {public_key: a.pem}}\n', { 'a.pem': pem })).toEqual([
      `config.yaml:1:26 ${expected}`,
    ]);
  });

  test('an algorithm that does not fit the public key', () => {
    const config = 'auth: {jwt: {public_key: a.pem, algorithm: RS256}}\n';
    expect(mistakesIn(config, { 'a.pem': pemOf(EC.publicKey) })).toEqual([
      `config.yaml:1:44 RS256 does not fit public_key | ${FOLLOWS}`,
    ]);
  });
});

describe('a host that can be reached from outside', () => {
  const auth = `auth: {jwt: {secret: ${SECRET}}}\n`;

  test('is accepted when the application has auth', () => {
    expect(loadConfig(makeApp(`host: 0.0.0.0\n${auth}`), {}).server.host).toBe('0.0.0.0');
  });

  test('needs auth or none in each application', () => {
    const load = (two: string) =>
      loadApplications(
        makeFolder({
          'config.yaml': 'host: 0.0.0.0\n',
          'one/schema.graphql': SCHEMA,
          'one/config.yaml': auth,
          'two/schema.graphql': SCHEMA,
          'two/config.yaml': two,
        }),
        {},
      );
    expect(load('auth: none\n').apps.map((app) => typeof app.auth)).toEqual(['object', 'string']);
    expect(mistakesOf(() => load('rest: true\n'))).toEqual([
      'config.yaml:1:7 host "0.0.0.0" can be reached from other machines, and authentication is off | configure `auth` in two/config.yaml, write `auth: none` to confirm that the API is public, or `host: 127.0.0.1`',
    ]);
  });

  test('on the command line needs the same', () => {
    const { server, app } = loadConfig(makeApp(''), {});
    const over = (auth: typeof app.auth) => overrideServer(server, [{ appId: 'a', auth }], { host: '::' });
    expect(over('none').host).toBe('::');
    expect(mistakesOf(() => over(undefined))).toEqual([
      '--host :: can be reached from other machines, and authentication is off | configure `auth` in the config.yaml of a, or write `auth: none` there to confirm that the API is public',
    ]);
  });

  test('auth is not for the folder of several applications', () => {
    const folder = makeFolder({ 'config.yaml': 'auth: none\n', 'one/schema.graphql': SCHEMA });
    expect(mistakesOf(() => loadApplications(folder, {}))).toEqual([
      'config.yaml:1:1 "auth" belongs in the config.yaml of one application | move it there; this file is for the server that runs them all',
    ]);
  });
});
