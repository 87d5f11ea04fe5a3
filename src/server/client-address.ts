import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** Loopback addresses as `net.Socket` reports them, including IPv4 addresses of an IPv6 socket. */
const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+)|\[(.*)\])(?::\d+)?$/;

/** Returns the key under which a request is counted by address, or undefined when it is not counted. */
export type AddressOf = (request: FastifyRequest) => string | undefined;

/**
 * Makes a function that returns the address under which a request is counted. Clients on this machine are counted only
 * with `rateLoopback`. IPv6 addresses are counted by /64: one customer gets that, and can use any address within it.
 */
export function makeAddressOf({ rateLoopback }: { readonly rateLoopback: boolean }): AddressOf {
  return (request) => {
    // Behind a trusted proxy this is the last address of X-Forwarded-For: the one that the proxy has written.
    const { ip } = request;
    if (ip === undefined) return undefined;
    if (LOOPBACK.test(ip)) return rateLoopback ? 'loopback' : undefined;
    return addressKey(ip);
  };
}

/** Returns one key for all spellings of an address; strings that are no addresses share one key. */
export function addressKey(written: string): string {
  if (isIPv4(written)) return written;
  // Some proxies add the port, and a link-local address has a zone.
  const ip = WITH_PORT.exec(written)?.slice(1).join('') ?? written;
  if (isIPv4(ip)) return ip;
  const plain = ip.split('%', 1)[0] as string;
  if (!isIPv6(plain)) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  return mapped ?? `${expand(plain).slice(0, 4).join(':')}::/64`;
}

/** Returns the eight groups of an IPv6 address, without leading zeros. */
function expand(ip: string): string[] {
  const [head = '', tail = ''] = ip.toLowerCase().split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => group.replace(/^0+(?=.)/, '')));
  const [before, after] = [groups(head), groups(tail)];
  // An IPv4 address at the end stands for two groups; it is among the first four only when all groups are written.
  const missing = ip.includes('::') ? Math.max(0, 8 - before.length - after.length) : 0;
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after];
}

/**
 * Makes a check that a request comes from one of the networks, as addresses or CIDR. Behind a trusted proxy the address is
 * the one that the proxy has written. Undefined, for all networks, allows every request.
 */
export function makeNetworkCheck(networks: readonly string[] | undefined): (request: FastifyRequest) => boolean {
  if (networks === undefined) return () => true;
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', bits] = network.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return ({ ip = '' }) => {
    // An IPv6 socket reports IPv4 clients in this form, and a link-local address with its zone.
    const plain = ip.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
    const version = isIP(plain);
    return version !== 0 && list.check(plain, version === 4 ? 'ipv4' : 'ipv6');
  };
}
