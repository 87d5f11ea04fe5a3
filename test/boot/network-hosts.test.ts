import type { NetworkInterfaceInfo } from 'node:os';
import { describe, expect, test } from 'vitest';
import { networkHosts } from '../../src/boot/lifecycle/listen.ts';
import { isUnspecified, localHostOf } from '../../src/config/loopback.ts';

function address(value: string, internal = false): NetworkInterfaceInfo {
  const family = value.includes(':') ? { family: 'IPv6', scopeid: 0 } : { family: 'IPv4' };
  return { address: value, internal, netmask: '', mac: '', cidr: null, ...family } as NetworkInterfaceInfo;
}

const INTERFACES = {
  lo: [address('127.0.0.1', true), address('::1', true)],
  docker0: [address('172.17.0.1')],
  en0: [address('fe80::1'), address('192.168.1.5'), address('2001:db8::5')],
  wlan0: [address('169.254.3.4'), address('10.0.0.7')],
};

describe('hosts for other machines', () => {
  test.each(['0.0.0.0', '0', '::', '0:0:0:0:0:0:0:0'])('of %s are those of the networks, containers last', (host) => {
    expect(isUnspecified(host)).toBe(true);
    expect(networkHosts(host, INTERFACES)).toEqual(['192.168.1.5', '10.0.0.7', '172.17.0.1']);
  });

  test('are of IPv6 where there is nothing else', () => {
    const { lo } = INTERFACES;
    const interfaces = { lo, en0: [address('fe80::1'), address('2001:db8::5')] };
    expect(networkHosts('::', interfaces)).toEqual(['2001:db8::5']);
    expect(networkHosts('0.0.0.0', interfaces)).toEqual([]);
    expect(networkHosts('::', { lo, gone: undefined })).toEqual([]);
  });

  test.each(['127.0.0.1', 'localhost', '::1', '127.8.8.8'])('of %s are none', (host) => {
    expect(networkHosts(host, INTERFACES)).toEqual([]);
  });

  test.each(['192.168.1.5', 'box.local', '2001:db8::5'])('of %s is that one', (host) => {
    expect(isUnspecified(host)).toBe(false);
    expect([networkHosts(host, INTERFACES), localHostOf(host)]).toEqual([[host], host]);
  });

  test('are not the one by which this machine connects to all addresses', () => {
    expect(['0.0.0.0', '::'].map(localHostOf)).toEqual(['127.0.0.1', '::1']);
  });
});
