import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MemoryThrottle, SharedThrottle } from '../../../src/auth/accounts/login-throttle.ts';
import { SharedTickets } from '../../../src/auth/credentials/tickets.ts';
import type { Principal } from '../../../src/auth/identity.ts';
import { AppError } from '../../../src/errors.ts';
import type { SharedLogins } from '../../../src/store/accounts.ts';
import { postgresEngine } from '../../../src/store/postgres/engine.ts';
import { reason, runSql, TEST_URL, unreachable } from '../../support/postgres/server.ts';

let schemas = 0;

/** State of logins as two servers have it. */
async function openTwo(): Promise<[SharedLogins, SharedLogins]> {
  const schema = `tablecast_logins_${process.pid}_${++schemas}`;
  const engine = postgresEngine({ url: TEST_URL, schema, pool: 1 });
  const open = () => engine.openAccounts({ dir: '', busyTimeout: 0 });
  const stores = [await open(), await open()];
  onTestFinished(async () => {
    for (const store of stores) await store.close();
    await runSql(`DROP SCHEMA "${schema}" CASCADE`);
  });
  return stores.map(({ shared }) => shared) as [SharedLogins, SharedLogins];
}

const principalOf = (sub: string): Principal => ({
  type: 'principal',
  sub,
  roles: ['a "b" \\'],
  claims: { sub, roles: ['a "b" \\'], team: { name: '€' } },
  expiresAt: undefined,
});
const OPTIONS = { lifetime: 60_000, maxTickets: 100, maxPerPrincipal: 10 };

describe.skipIf(unreachable !== undefined)(`tickets that servers share${reason}`, () => {
  test('stand for their principal at any server, once', async () => {
    const [one, other] = (await openTwo()).map((shared) => new SharedTickets(OPTIONS, shared)) as [
      SharedTickets,
      SharedTickets,
    ];
    const { text, lifetime } = await one.issue(principalOf('ada'));
    expect({ text, lifetime }).toEqual({ text: expect.stringMatching(/^tct_[a-z02-9]{32}$/), lifetime: 60_000 });
    const found = await Promise.all([other.redeem(text), one.redeem(text), other.redeem(text)]);
    expect(found.filter((it) => it !== undefined)).toEqual([principalOf('ada')]);
    expect(await one.redeem('tct_made_up')).toBeUndefined();
  });

  test('end with their lifetime, and with too many of one principal or of all', async () => {
    const [shared, same] = await openTwo();
    const brief = new SharedTickets({ ...OPTIONS, lifetime: 20 }, shared);
    const { text: expired } = await brief.issue(principalOf('ada'));
    await pause(30);
    expect(await brief.redeem(expired)).toBeUndefined();
    const few = new SharedTickets({ ...OPTIONS, maxTickets: 3, maxPerPrincipal: 2 }, shared);
    const texts: string[] = [];
    for (let i = 0; i < 3; i++) texts.push((await few.issue(principalOf('ada'))).text);
    await few.issue(principalOf('bob'));
    const tooMany = new SharedTickets({ ...OPTIONS, maxTickets: 3, maxPerPrincipal: 2 }, same);
    await expect(tooMany.issue(principalOf('cat'))).rejects.toMatchObject({ code: 'OVERLOADED' });
    const found: unknown[] = [];
    for (const text of texts) found.push((await few.redeem(text))?.sub);
    expect(found).toEqual([undefined, 'ada', 'ada']);
    await tooMany.issue(principalOf('cat'));
  });
});

describe.skipIf(unreachable !== undefined)(`failures that servers count together${reason}`, () => {
  test('are as many as one server counts, for each name and purpose', async () => {
    const [one, other] = (await openTwo()).map((shared) => new SharedThrottle(3, shared, 'failed'));
    const single = new MemoryThrottle(3);
    const servers = [one, other] as [SharedThrottle, SharedThrottle];
    const begin = async (throttle: SharedThrottle | MemoryThrottle, ...names: string[]) => {
      try {
        return await throttle.begin(...names);
      } catch (error) {
        return (error as AppError).code;
      }
    };
    const names = [['a'], ['a', 'b'], ['b'], ['a', 'c'], ['a'], ['c'], ['c'], ['b'], ['c', 'd'], ['b'], ['x\u0000"{}']];
    for (const [i, step] of names.entries()) {
      const [found, expected] = [await begin(servers[i % 2] as SharedThrottle, ...step), await begin(single, ...step)];
      expect([step, typeof found === 'string' ? found : 'begun']).toEqual([
        step,
        typeof expected === 'string' ? expected : 'begun',
      ]);
    }
  });

  test('are taken back when they were none, and counted without a check when they cost nothing', async () => {
    const [shared, same] = await openTwo();
    const [one, other] = [new SharedThrottle(1, shared, 'failed'), new SharedThrottle(1, same, 'failed')];
    const attempt = await one.begin('a', 'b');
    await attempt.withdraw();
    await other.begin('a');
    await expect(one.begin('a')).rejects.toMatchObject({ code: 'TOO_MANY_ATTEMPTS' });
    // Another purpose has a counter of its own.
    await new SharedThrottle(1, shared, 'signup').begin('a');
    const failure = new AppError('UNAUTHORIZED', 'no');
    expect(await one.count(failure, 'k')).toBe(failure);
    expect((await other.count(failure, 'k')).code).toBe('TOO_MANY_ATTEMPTS');
  });
});
