import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { MemoryTickets } from '../../src/auth/credentials/tickets.ts';
import type { Principal } from '../../src/auth/identity.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const principalOf = (sub: string): Principal => ({
  type: 'principal',
  sub,
  roles: [],
  claims: { sub, roles: [] },
  expiresAt: undefined,
});
const open = (options: Partial<ConstructorParameters<typeof MemoryTickets>[0]> = {}) =>
  new MemoryTickets({ lifetime: 30_000, maxTickets: 100, maxPerPrincipal: 10, ...options });

describe('a ticket', () => {
  test('stands for its principal, once', () => {
    const tickets = open();
    const { text, lifetime } = tickets.issue(principalOf('ada'));
    expect({ text, lifetime }).toEqual({ text: expect.stringMatching(/^tct_[a-z02-9]{32}$/), lifetime: 30_000 });
    expect(tickets.redeem(text)).toEqual(principalOf('ada'));
    expect(tickets.redeem(text)).toBeUndefined();
    expect(tickets.redeem('tct_made_up')).toBeUndefined();
  });

  test('is valid for its lifetime', () => {
    const tickets = open();
    const [first, second] = [tickets.issue(principalOf('ada')).text, tickets.issue(principalOf('ada')).text];
    vi.advanceTimersByTime(29_999);
    expect(tickets.redeem(first)).toEqual(principalOf('ada'));
    vi.advanceTimersByTime(1);
    expect(tickets.redeem(second)).toBeUndefined();
  });

  test('is replaced by a later one of the same principal when there are too many', () => {
    const tickets = open({ maxPerPrincipal: 2 });
    const bob = tickets.issue(principalOf('bob')).text;
    const texts = [1, 2, 3].map(() => tickets.issue(principalOf('ada')).text);
    expect(texts.map((text) => tickets.redeem(text)?.sub)).toEqual([undefined, 'ada', 'ada']);
    expect(tickets.redeem(bob)?.sub).toBe('bob');
  });

  test('is refused when too many wait, until some have expired', () => {
    const tickets = open({ maxTickets: 2 });
    tickets.issue(principalOf('ada'));
    vi.advanceTimersByTime(10_000);
    const { text } = tickets.issue(principalOf('bob'));
    expect(() => tickets.issue(principalOf('carl'))).toThrow(expect.objectContaining({ code: 'OVERLOADED' }));
    vi.advanceTimersByTime(20_000);
    tickets.issue(principalOf('carl'));
    expect(tickets.redeem(text)?.sub).toBe('bob');
  });
});
