import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TokenAuthenticator } from '../../src/auth/credentials/token-authenticator.ts';
import type { Principal } from '../../src/auth/identity.ts';
import { runCommand } from '../support/cli.ts';
import { until } from '../support/wait.ts';
import { openFolder, TestAccounts } from './accounts.ts';

const IP = '127.0.0.1';
/** Milliseconds within which a change by another process has to be seen. */
const MAX_DELAY_MS = 1000;

const command = async (it: TestAccounts, ...words: string[]) => {
  const exit = await runCommand([...words, it.dir]);
  if (exit.code !== 0) throw new Error(exit.stderr);
  return exit.stdout.trim();
};

async function tellsWithin(it: TestAccounts, change: () => Promise<unknown>): Promise<void> {
  let reported = 0;
  const stop = it.open.accounts.onChange(() => reported++);
  await change();
  await until(
    async () => reported,
    (times) => times > 0,
    { timeout: MAX_DELAY_MS, what: 'the change of another process' },
  );
  stop();
}

describe('an account', () => {
  test('exists from its sign-up on, without private data', async () => {
    using it = await TestAccounts.start();
    const { account } = await it.logins.signUp('Ada', 'correct horse', IP);
    expect(account).toEqual({ sub: expect.stringMatching(/^[0-9a-f-]{36}$/), name: 'Ada', roles: [], claims: {} });
    expect(it.open.accounts.account(account.sub)).toEqual(account);
    expect(it.open.accounts.account('nobody')).toBeUndefined();
  });

  test('has the roles that another process has just given it, and is gone when it is disabled', async () => {
    using it = await TestAccounts.start();
    const { accounts } = it.open;
    const { account } = await it.logins.signUp('Ada', 'correct horse', IP);
    await tellsWithin(it, () => command(it, 'user', 'role', 'ada', '--role', 'editor'));
    expect((await accounts.account(account.sub))?.roles).toEqual(['editor']);
    await tellsWithin(it, () => command(it, 'user', 'disable', 'ada'));
    expect(accounts.account(account.sub)).toBeUndefined();
    await tellsWithin(it, () => command(it, 'user', 'enable', 'ada'));
    expect((await accounts.account(account.sub))?.roles).toEqual(['editor']);
  });
});

describe('an API key', () => {
  test('is accepted as it was printed, until another process has revoked it', async () => {
    using it = await TestAccounts.start();
    const { accounts } = it.open;
    const text = await command(it, 'key', 'create', 'ci', '--role', 'writer', '--claim', 'accountId=acme');
    const [, id = ''] = text.split('_');
    const sub = `key:${id}`;
    const principal: Principal = {
      type: 'principal',
      sub,
      roles: ['writer'],
      claims: { accountId: 'acme', sub, roles: ['writer'] },
      expiresAt: undefined,
      keyId: id,
    };
    expect(accounts.key(text)).toEqual(principal);
    expect(accounts.keyById(id)).toEqual(principal);
    const forged = `${text.slice(0, -1)}${text.endsWith('a') ? 'b' : 'a'}`;
    for (const wrong of [forged, `tck_${id}`, `${text} `, text.toUpperCase(), `tck_zzzzzzzz_${text.split('_')[2]}`]) {
      expect(accounts.key(wrong), wrong).toBeUndefined();
    }
    await tellsWithin(it, () => command(it, 'key', 'revoke', id));
    expect(accounts.key(text)).toBeUndefined();
    expect(accounts.keyById(id)).toBeUndefined();
    expect(accounts.keyById('zzzzzzzz')).toBeUndefined();
  });

  test('of a user ends while the user is disabled', async () => {
    using it = await TestAccounts.start();
    const { account } = await it.logins.signUp('Ada', 'correct horse', IP);
    const text = await command(it, 'key', 'create', 'ada’s phone', '--sub', account.sub);
    expect((await it.open.accounts.key(text))?.sub).toBe(account.sub);
    await tellsWithin(it, () => command(it, 'user', 'disable', 'ada'));
    expect(it.open.accounts.key(text)).toBeUndefined();
    await tellsWithin(it, () => command(it, 'user', 'enable', 'ada'));
    expect((await it.open.accounts.key(text))?.sub).toBe(account.sub);
  });
});

describe('a ticket', () => {
  const authenticatorOf = (it: TestAccounts) =>
    new TokenAuthenticator({ tokens: it.tokens, accounts: it.open.accounts, users: true });

  test('stands for the principal of its token, with the current rights', async () => {
    using it = await TestAccounts.start();
    const authenticator = authenticatorOf(it);
    const { accessToken, account, expiresAt } = await it.logins.signUp('Ada', 'correct horse', IP);
    const principal = await authenticator.authenticate({ type: 'bearer', text: accessToken });
    expect(principal).toEqual({
      type: 'principal',
      sub: account.sub,
      roles: [],
      claims: { name: 'Ada', sub: account.sub, roles: [] },
      expiresAt,
    });
    const { text, lifetime } = await it.open.accounts.issueTicket(principal);
    expect(lifetime).toBe(60_000);
    await tellsWithin(it, () => command(it, 'user', 'role', 'ada', '--role', 'editor'));
    expect(it.open.accounts.redeemTicket(text)).toEqual({
      ...principal,
      roles: ['editor'],
      claims: { name: 'Ada', sub: account.sub, roles: ['editor'] },
    });
    expect(it.open.accounts.redeemTicket(text)).toBeUndefined();
    const other = (await it.open.accounts.issueTicket(principal)).text;
    expect(await authenticator.authenticate({ type: 'ticket', text: other })).toMatchObject({ roles: ['editor'] });
    await expect(authenticator.authenticate({ type: 'ticket', text: other })).rejects.toMatchObject({
      code: 'UNAUTHORIZED',
    });
  });

  test('ends with the user, the key or the token that it was made with', async () => {
    using it = await TestAccounts.start();
    const { accounts } = it.open;
    const authenticator = authenticatorOf(it);
    const { accessToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    const user = await authenticator.authenticate({ type: 'bearer', text: accessToken });
    const key = await authenticator.authenticate({ type: 'bearer', text: await command(it, 'key', 'create', 'ci') });
    const principals = [user, key, { ...user, expiresAt: Date.now() - 1 }];
    const tickets = await Promise.all(principals.map((principal) => accounts.issueTicket(principal)));
    const texts = tickets.map(({ text }) => text);
    await tellsWithin(it, () => command(it, 'user', 'disable', 'ada'));
    await tellsWithin(it, () => command(it, 'key', 'revoke', key.keyId ?? ''));
    expect(texts.map((text) => accounts.redeemTicket(text))).toEqual([undefined, undefined, undefined]);
  });
});

describe('without built-in users', () => {
  test('there are keys and tickets, also for principals of another issuer, and no logins', async () => {
    using it = await TestAccounts.start();
    const file = join(it.dir, 'config.yaml');
    writeFileSync(file, readFileSync(file, 'utf8').replace('users: true', 'users: false'));
    const { open } = await openFolder(it.dir);
    try {
      expect(open.logins(it.tokens)).toBeUndefined();
      const { token } = await it.tokens.issue({ sub: 'elsewhere', roles: ['a'], claims: {} }, 60_000);
      const principal = await it.tokens.verify(token);
      const ticket = await open.accounts.issueTicket(principal);
      expect(open.accounts.redeemTicket(ticket.text)).toEqual(principal);
      const text = await command(it, 'key', 'create', 'ci');
      expect(open.accounts.key(text)).toMatchObject({ type: 'principal' });
      const { account } = await it.logins.signUp('Ada', 'correct horse', IP);
      expect(open.accounts.account(account.sub)).toBeUndefined();
    } finally {
      open.close();
    }
  });
});
