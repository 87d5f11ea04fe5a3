import { afterEach, describe, expect, test, vi } from 'vitest';
import { TokenAuthenticator } from '../../src/auth/credentials/token-authenticator.ts';
import { VIEW_LIFETIME_MS, ViewTokens } from '../../src/auth/credentials/view-tokens.ts';
import type { Principal } from '../../src/auth/identity.ts';

const ROOT: Principal = { type: 'principal', sub: 'root', roles: ['admin'], claims: {}, expiresAt: undefined };
const ADA = { sub: 'ada', roles: [], claims: {} };

afterEach(() => {
  vi.useRealTimers();
});

describe('view tokens', () => {
  test('end after their time', () => {
    vi.useFakeTimers();
    const views = new ViewTokens();
    const { text } = views.issue(ROOT, ADA);
    vi.setSystemTime(Date.now() + VIEW_LIFETIME_MS - 1);
    expect(views.find(text)).toMatchObject({ sub: 'ada', isView: true });
    vi.setSystemTime(Date.now() + 1);
    expect(views.find(text)).toBeUndefined();
  });

  test('are bounded: one more ends the oldest', () => {
    const views = new ViewTokens();
    const texts = Array.from({ length: 101 }, () => views.issue(ROOT, ADA).text);
    expect(texts.map((text) => views.find(text) === undefined).indexOf(false)).toBe(1);
    expect(new Set(texts).size).toBe(101);
  });

  test('are accepted only where they are asked for, and only as long as their administrator is unchanged', async () => {
    const views = new ViewTokens();
    let root: Principal | undefined = ROOT;
    const accounts = {
      account: () => undefined,
      key: () => root,
      keyById: () => root,
      redeemTicket: () => undefined,
      onChange: () => () => {},
    };
    const tokens = { verify: () => Promise.reject(new Error('not a token')) };
    const authenticator = new TokenAuthenticator({ tokens, accounts, users: false, views });
    const admin: Principal = { ...ROOT, keyId: 'k' };
    root = admin;
    const { text } = views.issue(admin, ADA);
    const credential = { type: 'bearer', text } as const;
    await expect(authenticator.authenticate(credential)).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    const principal = await authenticator.authenticate(credential, { acceptsViews: true });
    expect(principal).toMatchObject({ sub: 'ada', isView: true });
    root = { ...admin, roles: [] };
    expect(await authenticator.refresh(principal)).toBeUndefined();
    await expect(authenticator.authenticate(credential, { acceptsViews: true })).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    });
    expect(await authenticator.refresh({ ...principal })).toBeUndefined();
  });
});
