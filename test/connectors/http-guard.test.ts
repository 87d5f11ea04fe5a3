import type { LookupAddress } from 'node:dns';
import { describe, expect, test } from 'vitest';
import { PermanentError } from '../../src/connectors/connector.ts';
import { AddressGuard, parseNetwork, type Resolve } from '../../src/connectors/http/address-guard.ts';

const NOTHING = { allowPrivate: false, allow: [] };

/** Host as a URL normalizes it. */
function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[(.*)\]$/, '$1');
}

function resolving(...addresses: string[]): Resolve {
  return (_name, _options, done) =>
    done(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
}

function lookup(guard: AddressGuard, name: string, options: object = { all: true }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guard.lookup(name, options, (error, address, family) => {
      if (error) reject(error);
      else resolve(family === undefined ? address : [address, family]);
    });
  });
}

describe('addresses that requests may be sent to', () => {
  test.each([
    'http://127.0.0.1',
    'http://127.1',
    'http://2130706433',
    'http://0x7f000001',
    'http://0177.0.0.1',
    'http://0',
    'http://[::1]',
    'http://[::]',
    'http://[::ffff:127.0.0.1]',
    'http://[::ffff:7f00:1]',
    'http://[::127.0.0.1]',
    'http://[64:ff9b::7f00:1]',
    'http://[2002:7f00:1::]',
    'http://[2001:0:7f00:1::]',
    'http://10.1.2.3',
    'http://100.64.0.1',
    'http://172.16.0.1',
    'http://172.31.255.255',
    'http://192.168.1.1',
    'http://[fd00::1]',
    'http://[fe80::1]',
    'http://[fec0::1]',
    'http://169.254.169.254',
    'http://[::ffff:a9fe:a9fe]',
    'http://[fd00:ec2::254]',
    'http://168.63.129.16',
    'http://192.0.2.1',
    'http://198.18.0.1',
    'http://224.0.0.1',
    'http://[ff02::1]',
    'http://255.255.255.255',
    'http://240.0.0.1',
  ])('%s is refused', (url) => {
    expect(new AddressGuard(NOTHING).allowsHost(hostOf(url))).toBe(false);
  });

  test.each(['http://8.8.8.8', 'http://172.32.0.1', 'http://[2606:4700::1111]', 'http://[::ffff:8.8.8.8]'])(
    '%s is let through',
    (url) => {
      expect(new AddressGuard(NOTHING).allowsHost(hostOf(url))).toBe(true);
    },
  );

  test('allow_private lets through loopback and private networks, and nothing that is link-local or a secret', () => {
    const guard = new AddressGuard({ allowPrivate: true, allow: [] });
    for (const host of ['127.0.0.1', '10.0.0.1', '192.168.0.1', '::1', 'fd12::1', '::ffff:10.0.0.1']) {
      expect([host, guard.allowsHost(host)]).toEqual([host, true]);
    }
    const refused = ['169.254.169.254', '100.100.100.200', 'fd00:ec2::254', 'fe80::1', '224.0.0.1', '0.0.0.0'];
    for (const host of refused) expect([host, guard.allowsHost(host)]).toEqual([host, false]);
  });

  test('allow permits only its entries', async () => {
    const allow = ['10.1.0.0/16', 'fd12::/32', '169.254.1.1', 'Intranet.example.'];
    const guard = new AddressGuard({ allowPrivate: false, allow }, resolving('192.168.0.9'));
    for (const host of ['10.1.2.3', '::ffff:10.1.2.3', 'fd12::5', '169.254.1.1']) {
      expect([host, guard.allowsHost(host)]).toEqual([host, true]);
    }
    for (const host of ['10.2.0.1', 'fd13::5', '169.254.1.2']) expect(guard.allowsHost(host)).toBe(false);
    expect(await lookup(guard, 'intranet.example')).toEqual([{ address: '192.168.0.9', family: 4 }]);
    await expect(lookup(guard, 'other.example')).rejects.toThrow(PermanentError);
  });

  test('a name is refused when any of its addresses is', async () => {
    await expect(lookup(new AddressGuard(NOTHING), 'localhost')).rejects.toThrow('private, local or reserved');
    const guard = new AddressGuard(NOTHING, resolving('8.8.8.8', '127.0.0.1'));
    await expect(lookup(guard, 'mixed.example')).rejects.toThrow(PermanentError);
  });

  test('a name that is fine gives the address that was looked at, in the form that was asked for', async () => {
    const guard = new AddressGuard(NOTHING, resolving('8.8.8.8', '8.8.4.4'));
    expect(await lookup(guard, 'dns.example')).toHaveLength(2);
    for (const family of [0, 4, 'IPv4', 'IPv6', undefined]) {
      expect(await lookup(guard, 'dns.example', { all: false, family })).toEqual(['8.8.8.8', 4]);
    }
  });

  test('a name without an address is an error that may pass', async () => {
    const failing: Resolve = (_name, _options, done) => done(new Error('ENOTFOUND'), []);
    for (const resolve of [failing, resolving()]) {
      const failure = await lookup(new AddressGuard(NOTHING, resolve), 'x.example').catch((error) => error);
      expect(failure).toBeInstanceOf(Error);
      expect(failure).not.toBeInstanceOf(PermanentError);
    }
  });

  test('networks are read as they are written', () => {
    expect(parseNetwork('10.0.0.0/8')).toEqual(['10.0.0.0', 8]);
    expect(parseNetwork('fd00::1')).toEqual(['fd00::1', 128]);
    for (const wrong of ['10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', 'x/8', 'fe80::1%eth0', '10.0.0.0/a', 'a.b']) {
      expect(parseNetwork(wrong)).toBeUndefined();
    }
  });
});
