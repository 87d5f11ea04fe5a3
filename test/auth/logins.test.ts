import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openFolder, TestAccounts } from './accounts.ts';

const IP = '127.0.0.1';
const refused = { code: 'INVALID_CREDENTIALS', status: 401 };

afterEach(() => void vi.useRealTimers());

describe('a login', () => {
  test('returns a valid token and a refresh token', async () => {
    using it = await TestAccounts.start();
    await it.logins.signUp('Ada', 'correct horse', IP);
    const { account, accessToken, expiresAt, refreshToken } = await it.logins.logIn('ADA', 'correct horse', IP);
    expect(await it.tokens.verify(accessToken)).toMatchObject({
      sub: account.sub,
      roles: [],
      claims: { name: 'Ada' },
      expiresAt,
    });
    expect(refreshToken).toMatch(/^tcr_/);
  });

  test('is refused with one sentence, whatever was wrong', async () => {
    using it = await TestAccounts.start();
    await it.logins.signUp('Ada', 'correct horse', IP);
    const tries = [
      ['Ada', 'wrong horse'],
      ['Ada', ''],
      ['Bob', 'correct horse'],
      ['', ''],
      ['x'.repeat(100_000), 'y'.repeat(100_000)],
      ['\ud800', '\ud800'],
    ];
    const messages = new Set<string>();
    for (const [name = '', password = ''] of tries) {
      const error = await it.logins.logIn(name, password, IP).catch((caught: unknown) => caught);
      expect(error).toMatchObject(refused);
      messages.add((error as Error).message);
    }
    expect([...messages]).toEqual(['Name or password is wrong, or the user is disabled.']);
  });

  test('that fails too often is refused for the name and for the address, the unknown name too', async () => {
    using it = await TestAccounts.start('limits:\n  logins_per_minute: 3\n');
    await it.logins.signUp('Ada', 'correct horse', IP);
    for (const name of ['Ada', 'Nobody']) {
      const wrong = (n: number) => it.logins.logIn(name, 'wrong horse', `10.0.0.${n}`);
      // Concurrently: none may pass while the others are being checked.
      const all = await Promise.allSettled([1, 2, 3, 4, 5, 6].map((n) => wrong(n)));
      const codes = all.map((one) => (one.status === 'rejected' ? (one.reason as { code: string }).code : 'in'));
      expect(codes).toEqual([...Array(3).fill('INVALID_CREDENTIALS'), ...Array(3).fill('TOO_MANY_ATTEMPTS')]);
    }
    await expect(it.logins.logIn('ada', 'correct horse', '10.0.0.9')).rejects.toMatchObject({
      code: 'TOO_MANY_ATTEMPTS',
      headers: { 'retry-after': expect.stringMatching(/^[1-5]?\d$|^60$/) },
    });
    for (const name of ['a', 'b', 'c'])
      await expect(it.logins.logIn(name, 'x', '::ffff:10.1.1.1')).rejects.toMatchObject(refused);
    await expect(it.logins.logIn('d', 'x', '10.1.1.1')).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
  });

  test('that succeeds does not count', async () => {
    using it = await TestAccounts.start('limits:\n  logins_per_minute: 2\n');
    await it.logins.signUp('Ada', 'correct horse', IP);
    for (let n = 0; n < 4; n++) await it.logins.logIn('Ada', 'correct horse', IP);
    await it.logins.logIn('Ada', 'x', IP).catch(() => {});
    await it.logins.logIn('Ada', 'correct horse', IP);
  });

  test('waits while another process writes, and then succeeds', async () => {
    using it = await TestAccounts.start();
    await it.logins.signUp('Ada', 'correct horse', IP);
    const other = new Database(join(it.dir, 'auth.db'));
    other.exec('BEGIN IMMEDIATE');
    setTimeout(() => other.exec('ROLLBACK'), 600);
    await it.logins.logIn('Ada', 'correct horse', IP);
    expect(other.inTransaction).toBe(false);
    other.close();
  });

  test('is busy, not a failure, when another process writes for too long', async () => {
    using it = await TestAccounts.start('busy_timeout: 50ms\nlimits:\n  logins_per_minute: 1\n');
    await it.logins.signUp('Ada', 'correct horse', IP);
    const other = new Database(join(it.dir, 'auth.db'));
    other.exec('BEGIN IMMEDIATE');
    for (let n = 0; n < 2; n++) {
      await expect(it.logins.logIn('Ada', 'correct horse', IP)).rejects.toMatchObject({ code: 'STORAGE_BUSY' });
    }
    other.close();
    await it.logins.logIn('Ada', 'correct horse', IP);
  });
});

describe('a sign-up', () => {
  test('is refused for a name that is taken, and for too many from one address', async () => {
    using it = await TestAccounts.start('limits:\n  signups_per_minute: 2\n');
    await it.logins.signUp('Ada', 'correct horse', IP);
    await expect(it.logins.signUp('ADA', 'another horse', IP)).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(it.logins.signUp('Bob', 'another horse', IP)).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
    await it.logins.signUp('Bob', 'another horse', '10.0.0.1');
  });
});

describe('a refresh token', () => {
  test('is used once, and a second time ends its session', async () => {
    using it = await TestAccounts.start('', '  refresh_token_grace: 0\n');
    const { refreshToken: first, account } = await it.logins.signUp('Ada', 'correct horse', IP);
    const elsewhere = await it.logins.logIn('Ada', 'correct horse', IP);
    const second = await it.logins.refresh(first, IP);
    expect(second.account).toEqual(account);
    expect(await it.tokens.verify(second.accessToken)).toMatchObject({ sub: account.sub });
    expect(it.reused).toEqual([]);
    await expect(it.logins.refresh(first, IP)).rejects.toMatchObject(refused);
    expect(it.reused).toEqual([account.sub]);
    await expect(it.logins.refresh(second.refreshToken, IP)).rejects.toMatchObject(refused);
    // Another login of the same user is not affected.
    await it.logins.refresh(elsewhere.refreshToken, IP);
  });

  test('that comes again soon is answered with the same tokens, also from two pages at once', async () => {
    using it = await TestAccounts.start();
    const { refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    const both = await Promise.all([it.logins.refresh(refreshToken, IP), it.logins.refresh(refreshToken, IP)]);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 29_000 });
    const late = await it.logins.refresh(refreshToken, IP);
    expect([both[1], late]).toEqual([both[0], both[0]]);
    expect(it.reused).toEqual([]);
    const [{ refreshToken: next }] = both;
    expect((await it.logins.refresh(next, IP)).refreshToken).not.toBe(next);
  });

  test('is the same after a restart, with the roles of that time', async () => {
    using it = await TestAccounts.start();
    const { refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    const first = await it.logins.refresh(refreshToken, IP);
    const again = await openFolder(it.dir);
    const logins = again.open.logins(again.tokens);
    expect(await logins?.refresh(refreshToken, IP)).toEqual(first);
    again.open.close();
    const db = new Database(join(it.dir, 'auth.db'));
    db.prepare('UPDATE users SET roles = ?').run('["editor"]');
    db.close();
    const { refreshToken: same, account } = await it.logins.refresh(refreshToken, IP);
    expect([same, account.roles]).toEqual([first.refreshToken, ['editor']]);
  });

  test.each([
    ['after the grace', { wait: 30_000, further: false }],
    ['when the next one was used already', { wait: 0, further: true }],
  ])('that comes again %s ends the whole login', async (_when, { wait, further }) => {
    using it = await TestAccounts.start();
    const { refreshToken: first, account } = await it.logins.signUp('Ada', 'correct horse', IP);
    let { refreshToken: last } = await it.logins.refresh(first, IP);
    if (further) last = (await it.logins.refresh(last, IP)).refreshToken;
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + wait });
    await expect(it.logins.refresh(first, IP)).rejects.toMatchObject(refused);
    expect(it.reused).toEqual([account.sub]);
    await expect(it.logins.refresh(last, IP)).rejects.toMatchObject(refused);
  });

  test('that comes again after logging out, or for a disabled user, is refused', async () => {
    using it = await TestAccounts.start();
    const { refreshToken: first } = await it.logins.signUp('Ada', 'correct horse', IP);
    const { refreshToken: next } = await it.logins.refresh(first, IP);
    await it.logins.logOut(next);
    await expect(it.logins.refresh(first, IP)).rejects.toMatchObject(refused);
    expect(it.reused).toEqual([]);
  });

  test('comes with a token that has not expired, however short tokens live', async () => {
    using it = await TestAccounts.start('', '  access_token_lifetime: 1s\n');
    const { refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    await it.logins.refresh(refreshToken, IP);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
    const { expiresAt } = await it.logins.refresh(refreshToken, IP);
    expect(expiresAt).toBeGreaterThan(Date.now() - 1000);
  });

  test('used twice at once without a grace is used twice', async () => {
    using it = await TestAccounts.start('', '  refresh_token_grace: 0\n');
    const { refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    const both = await Promise.allSettled([it.logins.refresh(refreshToken, IP), it.logins.refresh(refreshToken, IP)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const winner = both.find((one) => one.status === 'fulfilled');
    await expect(it.logins.refresh(winner?.value.refreshToken ?? '', IP)).rejects.toMatchObject(refused);
  });

  test('has the current roles', async () => {
    using it = await TestAccounts.start();
    const { refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    const db = new Database(join(it.dir, 'auth.db'));
    db.prepare('UPDATE users SET roles = ?').run('["editor"]');
    db.close();
    const { accessToken, account } = await it.logins.refresh(refreshToken, IP);
    expect(account.roles).toEqual(['editor']);
    expect((await it.tokens.verify(accessToken)).roles).toEqual(['editor']);
  });

  test('ends after its lifetime, and after logging out', async () => {
    using it = await TestAccounts.start('', '  refresh_token_lifetime: 1h\n');
    const before = Date.now();
    const { refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    const other = await it.logins.logIn('Ada', 'correct horse', IP);
    await it.logins.logOut(other.refreshToken);
    await it.logins.logOut(other.refreshToken);
    await expect(it.logins.refresh(other.refreshToken, IP)).rejects.toMatchObject(refused);
    vi.useFakeTimers({ toFake: ['Date'], now: before + 3_599_000 });
    const { refreshToken: next } = await it.logins.refresh(refreshToken, IP);
    vi.setSystemTime(Date.now() + 3_600_001);
    await expect(it.logins.refresh(next, IP)).rejects.toMatchObject(refused);
  });

  test.each(['', 'x', 'tcr_', `tcr_${'a'.repeat(26)}_${'b'.repeat(52)}`, 'x'.repeat(100_000)])(
    'is not %.40s',
    async (text) => {
      using it = await TestAccounts.start();
      await expect(it.logins.refresh(text, IP)).rejects.toMatchObject(refused);
      await it.logins.logOut(text);
    },
  );

  test('that is invented too often is refused as too many attempts, and valid ones go on', async () => {
    using it = await TestAccounts.start('limits:\n  logins_per_minute: 2\n');
    const { refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    for (let n = 0; n < 2; n++) await expect(it.logins.refresh('x', IP)).rejects.toMatchObject(refused);
    await expect(it.logins.refresh('x', IP)).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
    await it.logins.refresh(refreshToken, IP);
  });

  test('of the oldest login ends when there are too many', async () => {
    using it = await TestAccounts.start('limits:\n  sessions_per_user: 2\n');
    const tokens = [(await it.logins.signUp('Ada', 'correct horse', IP)).refreshToken];
    for (let n = 0; n < 2; n++) tokens.push((await it.logins.logIn('Ada', 'correct horse', IP)).refreshToken);
    const [oldest = '', ...others] = tokens;
    await expect(it.logins.refresh(oldest, IP)).rejects.toMatchObject(refused);
    for (const token of others) await it.logins.refresh(token, IP);
  });
});

describe('another password', () => {
  test('needs the old one, and ends every other login', async () => {
    using it = await TestAccounts.start();
    const { account, refreshToken } = await it.logins.signUp('Ada', 'correct horse', IP);
    const change = (old: string) => it.logins.changePassword(account.sub, { old, next: 'another horse' }, IP);
    await expect(change('wrong horse')).rejects.toMatchObject(refused);
    await it.logins.logIn('Ada', 'correct horse', IP);
    const changed = await change('correct horse');
    await expect(it.logins.refresh(refreshToken, IP)).rejects.toMatchObject(refused);
    await expect(it.logins.logIn('Ada', 'correct horse', IP)).rejects.toMatchObject(refused);
    await it.logins.logIn('Ada', 'another horse', IP);
    await it.logins.refresh(changed.refreshToken, IP);
  });

  test('is set by one of two at once', async () => {
    using it = await TestAccounts.start();
    const { account } = await it.logins.signUp('Ada', 'correct horse', IP);
    const change = (next: string) => it.logins.changePassword(account.sub, { old: 'correct horse', next }, IP);
    const both = await Promise.allSettled([change('one of them'), change('the other')]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    expect(both.find(({ status }) => status === 'rejected')).toMatchObject({ reason: refused });
  });
});
