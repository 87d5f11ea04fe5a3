import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ConnectionRegistry, endIfExpired, type OpenConnection } from '../../src/auth/connections.ts';
import { ANONYMOUS, type Identity, type Principal } from '../../src/auth/identity.ts';
import { AppError } from '../../src/errors.ts';

function principalOf(sub: string, expiresAt?: number, roles: readonly string[] = []): Principal {
  return { type: 'principal', sub, roles, claims: { sub, roles: [...roles] }, expiresAt };
}

/** A connection that notes each call. */
class Connection implements OpenConnection {
  identity: Identity;
  readonly calls: string[] = [];
  readonly reauthorized: Identity[] = [];

  constructor(identity: Identity) {
    this.identity = identity;
  }
  expiring(expiresAt: number) {
    this.calls.push(`expiring in ${Math.round((expiresAt - Date.now()) / 1000)} s`);
  }
  expired() {
    this.calls.push('expired');
  }
  revoked() {
    this.calls.push('revoked');
  }
  stop() {
    this.calls.push('stop');
  }
  reauthorize() {
    this.reauthorized.push(this.identity);
    if (this.identity.type === 'principal' && this.identity.roles.includes('outsider')) {
      throw new AppError('FORBIDDEN', 'Outsiders may not read.');
    }
  }
}

/** Whether nothing more may be sent. */
function isOver({ identity }: Connection): boolean {
  return endIfExpired({ identity, expired() {} });
}

/** The current principals, as a test sets them; others are unchanged. */
class Known {
  readonly now = new Map<string, Principal | undefined>();
  readonly refreshed: string[] = [];
  #listener: (() => void) | undefined;

  refresh(principal: Principal) {
    this.refreshed.push(principal.sub);
    return this.now.has(principal.sub) ? this.now.get(principal.sub) : principal;
  }
  onChange(listener: () => void) {
    this.#listener = listener;
    return () => {
      this.#listener = undefined;
    };
  }
  changed() {
    this.#listener?.();
  }
}

function open(known = new Known()) {
  const connections = new ConnectionRegistry(known);
  onTestFinished(() => connections.stop());
  const add = (identity: Identity) => {
    const connection = new Connection(identity);
    connections.add(connection);
    return connection;
  };
  return { known, connections, add };
}

describe('an open connection whose token expires', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] }));
  afterEach(() => void vi.useRealTimers());

  test('is warned a minute before, once, and ended within a second', () => {
    const { add, connections } = open();
    const connection = add(principalOf('ann', Date.now() + 100_000));
    vi.advanceTimersByTime(39_000);
    expect(connection.calls).toEqual([]);
    vi.advanceTimersByTime(2000);
    expect(connection.calls).toEqual(['expiring in 60 s']);
    vi.advanceTimersByTime(58_500);
    expect([connection.calls.length, isOver(connection)]).toEqual([1, false]);
    vi.advanceTimersByTime(500);
    expect(isOver(connection)).toBe(true);
    vi.advanceTimersByTime(1000);
    expect(connection.calls).toEqual(['expiring in 60 s', 'expired']);
    expect(connections.size).toBe(0);
    vi.advanceTimersByTime(5000);
    expect(connection.calls.length).toBe(2);
  });

  test('is not ended when that is more than 2^31 ms away, and without an end never', () => {
    const { add } = open();
    const far = [
      add(principalOf('ann', Date.now() + 2 ** 31 + 1000)),
      add(principalOf('bob', 8.64e15)),
      add(principalOf('key')),
    ];
    vi.advanceTimersByTime(60_000);
    expect(far.map(({ calls }) => calls)).toEqual([[], [], []]);
    expect(far.map((connection) => isOver(connection))).toEqual([false, false, false]);
  });

  test('goes on with a newer token, and is warned again before its end', () => {
    const { add, connections } = open();
    const connection = add(principalOf('ann', Date.now() + 30_000));
    vi.advanceTimersByTime(1000);
    const newer = principalOf('ann', Date.now() + 90_000, ['editor']);
    connections.renew(connection, newer);
    expect([connection.identity, connection.reauthorized]).toEqual([newer, [newer]]);
    vi.advanceTimersByTime(40_000);
    expect(connection.calls).toEqual(['expiring in 30 s', 'expiring in 60 s']);
    vi.advanceTimersByTime(51_000);
    expect(connection.calls.at(-1)).toBe('expired');
  });

  test('is forgotten when it is closed', () => {
    const { add, connections } = open();
    const connection = add(principalOf('ann', Date.now() + 1000));
    connections.remove(connection);
    connections.renew(connection, principalOf('ann', Date.now() + 2000));
    vi.advanceTimersByTime(5000);
    expect([connection.calls, connections.size]).toEqual([[], 0]);
  });
});

describe('an open connection whose account changes', () => {
  test('has the new roles at once', async () => {
    const { known, add } = open();
    const [ann, bob] = [add(principalOf('ann')), add(principalOf('bob'))];
    await turn();
    const present = principalOf('ann', undefined, ['editor']);
    known.now.set('ann', present);
    known.changed();
    await turn();
    expect([ann.identity, ann.reauthorized]).toEqual([present, [present]]);
    expect([ann.calls, bob.calls]).toEqual([[], []]);
  });

  test('is ended when the principal may do nothing any more', async () => {
    const { known, add, connections } = open();
    const [ann, bob] = [add(principalOf('ann')), add(principalOf('bob'))];
    await turn();
    known.now.set('ann', undefined);
    known.changed();
    await turn();
    expect([ann.calls, bob.calls, connections.size]).toEqual([['revoked'], [], 1]);
  });

  test('is ended when nothing of it is allowed with the new roles', async () => {
    const { add, known } = open();
    const connection = add(principalOf('ann'));
    await turn();
    known.now.set('ann', principalOf('ann', undefined, ['outsider']));
    known.changed();
    await turn();
    expect(connection.calls).toEqual(['revoked']);
  });

  test('is asked to come again when the rights of all callers are unknown, and forgotten', async () => {
    const { known, connections, add } = open();
    const [ann, bob] = [add(principalOf('ann')), add(principalOf('bob'))];
    connections.endAll();
    known.now.set('ann', undefined);
    known.changed();
    await turn();
    expect([ann.calls, bob.calls, connections.size]).toEqual([['stop'], ['stop'], 0]);
  });

  test('also when that happened while it was being opened', async () => {
    const { known, add } = open();
    known.now.set('ann', undefined);
    const ann = add(principalOf('ann'));
    await turn();
    expect(ann.calls).toEqual(['revoked']);
  });

  test('is refreshed once for changes that come together, and many in several passes', async () => {
    const { known, add } = open();
    const many = Array.from({ length: 1000 }, (_, index) => add(principalOf(`u${index}`)));
    for (let turns = 0; turns < 10; turns++) await turn();
    expect(known.refreshed.length).toBe(1000);
    for (const index of many.keys()) {
      known.now.set(`u${index}`, undefined);
      known.changed();
    }
    await turn();
    expect(known.refreshed.length).toBeLessThan(2000);
    for (let turns = 0; turns < 10; turns++) await turn();
    expect(known.refreshed.length).toBe(2000);
    expect(many.every(({ calls }) => calls.join() === 'revoked')).toBe(true);
  });

  test('is not reauthorised any more when it was closed before its turn', async () => {
    const { known, add, connections } = open();
    const ann = add(principalOf('ann'));
    known.now.set('ann', undefined);
    connections.remove(ann);
    await turn();
    expect(ann.calls).toEqual([]);
  });

  test('of an anonymous caller is ignored', async () => {
    const { add, connections, known } = open();
    const nobody = add(ANONYMOUS);
    await turn();
    expect([connections.size, known.refreshed, isOver(nobody)]).toEqual([0, [], false]);
  });

  test('gets no call after the stop', async () => {
    const { known, add, connections } = open();
    const ann = add(principalOf('ann'));
    await turn();
    known.now.set('ann', undefined);
    connections.stop();
    known.changed();
    await turn();
    expect(ann.calls).toEqual([]);
  });
});
