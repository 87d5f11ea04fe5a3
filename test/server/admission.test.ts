import { describe, expect, test } from 'vitest';
import { Admission, type AdmissionLimits, type Lease } from '../../src/server/limits/admission.ts';
import { LIMITS } from '../query/tables.ts';
import { principal, requestFrom } from './requests.ts';

const OUTSIDE = '192.0.2.7';

function admission(limits: Partial<AdmissionLimits> = {}): Admission {
  return new Admission({ ...LIMITS, ...limits });
}

function open(all: Admission, request: ReturnType<typeof requestFrom>, count: number): Lease[] {
  return Array.from({ length: count }, () => {
    all.check(request);
    return all.enter(request);
  });
}

describe('connections', () => {
  test('are admitted up to the limit of all connections', () => {
    const all = admission({ connections: 2 });
    const [first] = open(all, requestFrom('127.0.0.1'), 2);
    expect(all.open).toBe(2);
    expect(() => all.check(requestFrom(OUTSIDE))).toThrow(
      expect.objectContaining({ code: 'OVERLOADED', headers: { 'retry-after': '5' } }),
    );
    all.leave(first as Lease);
    expect(() => all.check(requestFrom(OUTSIDE))).not.toThrow();
  });

  test('of one address end at its limit while other addresses still connect', () => {
    const all = admission({ connectionsPerAddress: 3 });
    const places = open(all, requestFrom(OUTSIDE), 3);
    expect(() => all.check(requestFrom(OUTSIDE))).toThrow(
      expect.objectContaining({ code: 'TOO_MANY_CONNECTIONS', status: 429, headers: { 'retry-after': '5' } }),
    );
    // The same address, as an IPv6 socket reports it.
    expect(() => all.check(requestFrom(`::ffff:${OUTSIDE}`))).toThrow('connections_per_address');
    expect(() => all.check(requestFrom('192.0.2.8'))).not.toThrow();
    all.leave(places[0] as Lease);
    expect(() => all.check(requestFrom(OUTSIDE))).not.toThrow();
  });

  test('of one principal end at its limit, whatever their addresses', () => {
    const all = admission({ connectionsPerPrincipal: 2 });
    open(all, requestFrom('192.0.2.1', principal('ann')), 1);
    open(all, requestFrom('192.0.2.2', principal('ann')), 1);
    expect(() => all.check(requestFrom('192.0.2.3', principal('ann')))).toThrow('connections_per_principal');
    expect(() => all.check(requestFrom('192.0.2.3', principal('bob')))).not.toThrow();
    expect(() => all.check(requestFrom('192.0.2.1'))).not.toThrow();
  });

  test('of this machine are counted only with rate_loopback', () => {
    const free = admission({ connectionsPerAddress: 1, connectionsPerPrincipal: 1 });
    open(free, requestFrom('127.0.0.1', principal('ann')), 5);
    open(free, requestFrom(undefined), 5);
    expect(free.holders).toBe(0);
    const strict = admission({ connectionsPerAddress: 2, rateLoopback: true });
    open(strict, requestFrom('127.0.0.1'), 1);
    open(strict, requestFrom('::1'), 1);
    expect(() => strict.check(requestFrom('::ffff:127.0.0.1'))).toThrow('connections_per_address');
  });

  test('have no limit where it is 0', () => {
    const all = admission({ connectionsPerAddress: 0, connectionsPerPrincipal: 0 });
    expect(open(all, requestFrom(OUTSIDE, principal('ann')), 500)).toHaveLength(500);
  });

  test('leave nothing in memory after they close, even 10,000 of them', () => {
    const all = admission();
    for (let turn = 0; turn < 10_000; turn++) {
      const request = requestFrom(`10.${turn >> 16}.${(turn >> 8) & 255}.${turn & 255}`, principal(`user-${turn}`));
      const [place] = open(all, request, 1);
      all.leave(place as Lease);
    }
    expect([all.open, all.holders]).toEqual([0, 0]);
  });
});
