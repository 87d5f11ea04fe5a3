import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { Tokens } from '../../src/auth/credentials/tokens.ts';
import type { JwtConfig } from '../../src/config/config.ts';
import { AppError } from '../../src/errors.ts';
import {
  ecdsa,
  eddsa,
  encodePart,
  forgedTokens,
  hmac,
  inSeconds,
  rsa,
  SECRET,
  type Signer,
  sign,
  tokenOf,
} from '../support/tokens.ts';

const CONFIG: JwtConfig = {
  secret: SECRET,
  publicKey: undefined,
  jwksUrl: undefined,
  algorithm: 'HS256',
  issuer: undefined,
  audience: undefined,
  rolesClaim: 'roles',
  leeway: 5000,
};

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ED = generateKeyPairSync('ed25519');

const pemOf = (key: typeof RSA.publicKey) => key.export({ type: 'spki', format: 'pem' }).toString();

/** Returns the error with which a token is refused. */
async function refusal(tokens: Tokens, text: string): Promise<AppError> {
  const error: unknown = await tokens.verify(text).catch((thrown: unknown) => thrown);
  if (error instanceof AppError) return error;
  throw new Error(`accepted, or failed with something else: ${JSON.stringify(error)} ${String(error)}`);
}

afterEach(() => void vi.useRealTimers());

describe('a valid token', () => {
  test('identifies its principal', async () => {
    const exp = inSeconds(100);
    const text = tokenOf('ann', { exp, roles: ['editor', 'editor', 'b'], team: { id: 7 }, iss: 'anybody' });
    const principal = await new Tokens(CONFIG).verify(text);
    expect(principal).toEqual({
      type: 'principal',
      sub: 'ann',
      roles: ['editor', 'b'],
      claims: { sub: 'ann', roles: ['editor', 'b'], team: { id: 7 }, iss: 'anybody', exp },
      expiresAt: exp * 1000,
    });
    expect(Object.isFrozen(principal.claims.team)).toBe(true);
  });

  test.each<[JwtConfig['algorithm'], typeof RSA, (key: typeof RSA.privateKey) => Signer]>([
    ['RS256', RSA, rsa],
    ['ES256', EC, ecdsa],
    ['EdDSA', ED, eddsa],
  ])('may be signed with %s, and then with nothing else', async (algorithm, { publicKey, privateKey }, signer) => {
    const pem = pemOf(publicKey);
    const tokens = new Tokens({ ...CONFIG, secret: undefined, publicKey: pem, algorithm });
    const payload = { sub: 'ann', exp: inSeconds(60) };
    const text = sign({ alg: algorithm }, payload, signer(privateKey));
    expect(await tokens.verify(text)).toMatchObject({ sub: 'ann', roles: [] });
    // RFC 8725 §2.1: the public key used as a secret.
    for (const secret of [pem, pem.trim(), createPublicKey(pem).export({ type: 'spki', format: 'der' })]) {
      expect(await refusal(tokens, sign({ alg: 'HS256' }, payload, hmac(secret)))).toMatchObject({ status: 401 });
    }
    expect(
      await refusal(
        tokens,
        sign({ alg: 'none' }, payload, () => Buffer.alloc(0)),
      ),
    ).toMatchObject({ status: 401 });
    const [head, , signature] = text.split('.');
    const changed = `${head}.${encodePart({ ...payload, sub: 'root' })}.${signature}`;
    expect(await refusal(tokens, changed)).toMatchObject({ status: 401 });
  });

  test.each([
    ['RS256', 'PS256'],
    ['RS256', 'RS512'],
    ['EdDSA', 'Ed25519'],
  ] as const)('with %s is not one with %s', async (algorithm, claimed) => {
    const { publicKey, privateKey } = algorithm === 'RS256' ? RSA : ED;
    const tokens = new Tokens({ ...CONFIG, secret: undefined, publicKey: pemOf(publicKey), algorithm });
    const signer = algorithm === 'RS256' ? rsa(privateKey) : eddsa(privateKey);
    expect(await refusal(tokens, sign({ alg: claimed }, { sub: 'a', exp: inSeconds(60) }, signer))).toMatchObject({
      code: 'UNAUTHORIZED',
    });
  });

  test.each([
    [{ roles: 'admin' }, ['admin']],
    [{}, []],
    [{ roles: null }, []],
    [{ roles: [] }, []],
  ])('with %j has the roles %j', async (claims, roles) => {
    const principal = await new Tokens(CONFIG).verify(tokenOf('ann', claims));
    expect([principal.roles, principal.claims.roles]).toEqual([roles, roles]);
  });

  test('may have its roles under another name, or inside an object', async () => {
    const rolesOf = async (rolesClaim: string, claims: Record<string, unknown>) =>
      (await new Tokens({ ...CONFIG, rolesClaim }).verify(tokenOf('ann', claims))).roles;
    expect(await rolesOf('https://a.example/roles', { 'https://a.example/roles': ['x'], roles: ['no'] })).toEqual([
      'x',
    ]);
    expect(await rolesOf('realm_access.roles', { realm_access: { roles: ['y'] } })).toEqual(['y']);
    expect(await rolesOf('a.b', { 'a.b': 'z', a: { b: 'no' } })).toEqual(['z']);
    expect(await rolesOf('constructor.name', {})).toEqual([]);
    expect(await rolesOf('toString', {})).toEqual([]);
  });

  test.each([
    ['scope', { scope: 'editor read  editor' }, ['editor', 'read']],
    ['scope', { scope: '' }, []],
    ['scope', { scope: ['a b'] }, ['a b']],
    ['api.scp', { api: { scp: 'x y' } }, ['x', 'y']],
    ['roles', { roles: 'Team Lead' }, ['Team Lead']],
    ['telescope', { telescope: 'a b' }, ['a b']],
  ])('with %s of %j has the roles %j', async (rolesClaim, claims, roles) => {
    const principal = await new Tokens({ ...CONFIG, rolesClaim }).verify(tokenOf('ann', claims));
    expect(principal.roles).toEqual(roles);
  });

  test('has a scope as a text where it is issued with one', async () => {
    const tokens = new Tokens({ ...CONFIG, rolesClaim: 'scope' });
    const { token } = await tokens.issue({ sub: 'ann', roles: ['editor', 'read'], claims: {} }, 60_000);
    expect(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()).scope).toBe('editor read');
    expect((await tokens.verify(token)).roles).toEqual(['editor', 'read']);
  });

  test('may be too early by the leeway', async () => {
    const tokens = new Tokens(CONFIG);
    expect(await tokens.verify(tokenOf('ann', { nbf: inSeconds(4) }))).toMatchObject({ sub: 'ann' });
    expect(await refusal(tokens, tokenOf('ann', { nbf: inSeconds(7) }))).toMatchObject({ code: 'UNAUTHORIZED' });
    const strict = new Tokens({ ...CONFIG, leeway: 0 });
    expect(await refusal(strict, tokenOf('ann', { nbf: inSeconds(3) }))).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  test('may be valid for hundreds of years', async () => {
    const exp = inSeconds(400 * 365 * 86_400);
    expect(await new Tokens(CONFIG).verify(tokenOf('ann', { exp }))).toMatchObject({ expiresAt: exp * 1000 });
  });

  test('is refused from the moment of its exp, also when it is cached', async () => {
    vi.useFakeTimers({ toFake: ['Date'] });
    const tokens = new Tokens(CONFIG);
    const text = tokenOf('ann', { exp: inSeconds(10) });
    const first = await tokens.verify(text);
    expect(await tokens.verify(text)).toBe(first);
    vi.setSystemTime((first.expiresAt as number) - 1);
    expect(await tokens.verify(text)).toBe(first);
    vi.setSystemTime(first.expiresAt as number);
    expect(await refusal(tokens, text)).toMatchObject({ code: 'UNAUTHORIZED', message: 'The token has expired.' });
    expect(await refusal(new Tokens(CONFIG), text)).toMatchObject({ message: 'The token has expired.' });
  });
});

describe('a forged token', () => {
  const tokens = new Tokens({ ...CONFIG, issuer: 'us', audience: 'app' });
  const forged = forgedTokens();

  test('comes in more than 30 shapes, beside valid ones', async () => {
    expect(forged.length).toBeGreaterThan(30);
    expect(await tokens.verify(tokenOf('ann', { iss: 'us', aud: 'app' }))).toMatchObject({ sub: 'ann' });
    expect(await tokens.verify(tokenOf('ann', { iss: 'us', aud: ['x', 'app'] }))).toMatchObject({ sub: 'ann' });
  });

  test.each(forged)('with %s is refused without a reason', async (_, text) => {
    for (const time of [1, 2]) {
      const error = await refusal(tokens, text);
      expect([time, error.code, error.headers]).toEqual([
        time,
        'UNAUTHORIZED',
        { 'www-authenticate': 'Bearer error="invalid_token"' },
      ]);
      expect(error.message).not.toContain(text.slice(0, 12));
      expect(error.message.length).toBeLessThan(100);
    }
  });
});

describe('an issued token', () => {
  test('is accepted by its issuer', async () => {
    const config = { ...CONFIG, issuer: 'us', audience: 'app', rolesClaim: 'realm.roles' };
    const tokens = new Tokens(config);
    const before = Date.now();
    const claims = { team: 7, sub: 'root', exp: 1, iss: 'them', aud: 'them' };
    const { token, expiresAt } = await tokens.issue({ sub: 'ann', roles: ['a'], claims }, 90_000);
    expect(expiresAt).toBeGreaterThan(before + 88_000);
    expect(expiresAt).toBeLessThanOrEqual(Date.now() + 90_000);
    const principal = await tokens.verify(token);
    expect(principal).toMatchObject({ sub: 'ann', roles: ['a'], expiresAt });
    expect(principal.claims).toMatchObject({ team: 7, sub: 'ann', iss: 'us', aud: 'app', exp: expiresAt / 1000 });
    expect(await refusal(new Tokens({ ...config, issuer: 'them' }), token)).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  test('is never the same twice', async () => {
    const tokens = new Tokens(CONFIG);
    const issue = async () => (await tokens.issue({ sub: 'ann', roles: [], claims: {} }, 1000)).token;
    expect(await issue()).not.toBe(await issue());
  });

  test('needs a secret', async () => {
    const tokens = new Tokens({ ...CONFIG, secret: undefined, publicKey: pemOf(EC.publicKey), algorithm: 'ES256' });
    await expect(tokens.issue({ sub: 'ann', roles: [], claims: {} }, 1000)).rejects.toThrow('with a secret only');
  });
});

describe('keys from a JWKS URL', () => {
  const jwk = (kid: string, { publicKey } = RSA) => ({ ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256' });
  const tokenWith = (kid: string, { privateKey } = RSA) =>
    sign({ alg: 'RS256', kid }, { sub: 'ann', exp: inSeconds(60) }, rsa(privateKey));

  /** Makes tokens of a JWKS URL that answers like this, with the number of requests to it. */
  async function listen(answer: RequestListener) {
    const server = createServer((request, response) => {
      found.asked++;
      answer(request, response);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
    const found = { asked: 0, tokens: new Tokens({ ...CONFIG, secret: undefined, jwksUrl, algorithm: 'RS256' }) };
    return found;
  }

  test('are fetched once for many tokens', async () => {
    const found = await listen((_, response) => response.end(JSON.stringify({ keys: [jwk('a')] })));
    expect(found.asked).toBe(0);
    const texts = Array.from({ length: 20 }, () => tokenWith('a'));
    const principals = await Promise.all(texts.map((text) => found.tokens.verify(text)));
    expect(principals.map(({ sub }) => sub)).toEqual(Array(20).fill('ann'));
    expect(found.asked).toBe(1);
  });

  test('are not fetched again for every token with an unknown kid', async () => {
    const found = await listen((_, response) => response.end(JSON.stringify({ keys: [jwk('a')] })));
    await found.tokens.verify(tokenWith('a'));
    for (const kid of ['b', 'c', 'd', '../a']) {
      expect(await refusal(found.tokens, tokenWith(kid))).toMatchObject({ code: 'UNAUTHORIZED' });
    }
    expect(found.asked).toBe(1);
  });

  test('do not accept a key of another issuer, nor the public key as a secret', async () => {
    const found = await listen((_, response) => response.end(JSON.stringify({ keys: [jwk('a')] })));
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
    expect(await refusal(found.tokens, tokenWith('a', other))).toMatchObject({ code: 'UNAUTHORIZED' });
    const confused = sign({ alg: 'HS256', kid: 'a' }, { sub: 'ann', exp: inSeconds(60) }, hmac(pemOf(RSA.publicKey)));
    expect(await refusal(found.tokens, confused)).toMatchObject({ code: 'UNAUTHORIZED' });
  });

  test.each<[string, RequestListener]>([
    ['answers 500', (_, response) => response.writeHead(500).end()],
    ['redirects', (_, response) => response.writeHead(302, { location: '/elsewhere' }).end()],
    ['answers HTML', (_, response) => response.end('<html>')],
    ['answers no keys', (_, response) => response.end('{"keys":7}')],
    ['answers too much', (_, response) => response.end(JSON.stringify({ keys: ['x'.repeat(300_000)] }))],
    ['breaks off', (request) => request.socket.destroy()],
  ])('that %s are 503, and it is left in peace for a while', async (_, answer) => {
    const found = await listen(answer);
    for (const kid of ['a', 'b', 'c']) {
      expect(await refusal(found.tokens, tokenWith(kid))).toMatchObject({
        code: 'KEYS_UNAVAILABLE',
        status: 503,
        headers: { 'retry-after': '1' },
      });
    }
    expect(found.asked).toBe(1);
  });
});
