import { describe, expect, test } from 'vitest';
import type { Account } from '../../src/auth/accounts/accounts.ts';
import { TokenAuthenticator } from '../../src/auth/credentials/token-authenticator.ts';
import { Tokens } from '../../src/auth/credentials/tokens.ts';
import { MemoryAccounts, ROBOT } from '../support/accounts.ts';
import { inSeconds, SECRET, tokenOf } from '../support/tokens.ts';

const TOKENS = new Tokens({
  secret: SECRET,
  publicKey: undefined,
  jwksUrl: undefined,
  algorithm: 'HS256',
  issuer: undefined,
  audience: undefined,
  rolesClaim: 'roles',
  leeway: 5000,
});

const bearer = (text: string) => ({ type: 'bearer', text }) as const;
const INVALID = { code: 'UNAUTHORIZED', headers: { 'www-authenticate': 'Bearer error="invalid_token"' } };

describe('without accounts', () => {
  const authenticator = new TokenAuthenticator({ tokens: TOKENS, users: false });

  test('only tokens are accepted', async () => {
    const principal = await authenticator.authenticate(bearer(tokenOf('ann', { roles: ['a'] })));
    expect(principal).toMatchObject({ sub: 'ann', roles: ['a'] });
    expect(authenticator.refresh(principal)).toBe(principal);
    await expect(authenticator.authenticate(bearer('tck_abcdefgh_secret'))).rejects.toMatchObject(INVALID);
    await expect(authenticator.authenticate({ type: 'ticket', text: tokenOf('ann') })).rejects.toMatchObject(INVALID);
    expect(authenticator.onChange(() => {})()).toBeUndefined();
  });
});

describe('with keys and tickets', () => {
  test('a key stands for its principal until it is revoked', async () => {
    const accounts = new MemoryAccounts();
    const authenticator = new TokenAuthenticator({ tokens: TOKENS, accounts, users: false });
    expect(await authenticator.authenticate(bearer('tck_abcdefgh_secret'))).toEqual(ROBOT);
    await expect(authenticator.authenticate(bearer('tck_abcdefgh_other'))).rejects.toMatchObject(INVALID);
    expect(authenticator.refresh(ROBOT)).toBe(ROBOT);
    accounts.keys.set('abcdefgh', { ...ROBOT, roles: [] });
    expect(authenticator.refresh(ROBOT)).toMatchObject({ roles: [] });
    accounts.keys.clear();
    expect(authenticator.refresh(ROBOT)).toBeUndefined();
    await expect(authenticator.authenticate(bearer('tck_abcdefgh_secret'))).rejects.toMatchObject(INVALID);
  });

  test('a ticket is accepted once', async () => {
    const accounts = new MemoryAccounts();
    const authenticator = new TokenAuthenticator({ tokens: TOKENS, accounts, users: false });
    const principal = await authenticator.authenticate(bearer(tokenOf('ann')));
    accounts.tickets.set('tct_1', principal);
    expect(await authenticator.authenticate({ type: 'ticket', text: 'tct_1' })).toBe(principal);
    await expect(authenticator.authenticate({ type: 'ticket', text: 'tct_1' })).rejects.toMatchObject(INVALID);
  });

  test('tokens of other issuers are accepted as before', async () => {
    const authenticator = new TokenAuthenticator({ tokens: TOKENS, accounts: new MemoryAccounts(), users: false });
    expect(await authenticator.authenticate(bearer(tokenOf('zoe')))).toMatchObject({ sub: 'zoe' });
  });
});

describe('with built-in users', () => {
  const ann: Account = { sub: 'ann', name: 'Ann', roles: ['editor'], claims: { team: 'red' } };

  test('roles and claims are those of the account now, whatever the token says', async () => {
    const accounts = new MemoryAccounts();
    accounts.users.set('ann', ann);
    const authenticator = new TokenAuthenticator({ tokens: TOKENS, accounts, users: true });
    const exp = inSeconds(60);
    const text = tokenOf('ann', { roles: ['admin'], team: 'blue', exp });
    const principal = await authenticator.authenticate(bearer(text));
    expect(principal).toEqual({
      type: 'principal',
      sub: 'ann',
      roles: ['editor'],
      claims: { team: 'red', name: 'Ann', sub: 'ann', roles: ['editor'] },
      expiresAt: exp * 1000,
    });
    expect(authenticator.refresh(principal)).toBe(principal);
    accounts.users.set('ann', { ...ann, roles: [] });
    expect(authenticator.refresh(principal)).toMatchObject({ roles: [], expiresAt: exp * 1000 });
    expect(await authenticator.authenticate(bearer(text))).toMatchObject({ roles: [], claims: { roles: [] } });
  });

  test('a token is refused when its account is disabled, or does not exist', async () => {
    const accounts = new MemoryAccounts();
    accounts.users.set('ann', ann);
    const authenticator = new TokenAuthenticator({ tokens: TOKENS, accounts, users: true });
    const principal = await authenticator.authenticate(bearer(tokenOf('ann')));
    let changes = 0;
    const end = authenticator.onChange(() => changes++);
    accounts.users.delete('ann');
    accounts.changed();
    expect([changes, authenticator.refresh(principal)]).toEqual([1, undefined]);
    await expect(authenticator.authenticate(bearer(tokenOf('ann')))).rejects.toMatchObject(INVALID);
    accounts.tickets.set('tct_1', principal);
    await expect(authenticator.authenticate({ type: 'ticket', text: 'tct_1' })).rejects.toMatchObject(INVALID);
    end();
    accounts.changed();
    expect(changes).toBe(1);
  });
});
