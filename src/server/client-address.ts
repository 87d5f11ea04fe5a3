import { isIPv4, isIPv6 } from 'node:net';
import type { FastifyRequest } from 'fastify';

/** Takes the loopback addresses of `net.Socket`, also IPv4 ones that came over an IPv6 socket. */
const LOOPBACK = /^(?:::ffff:)?127\.|^::1$/;

const WITH_PORT = /^(?:(\d+\.\d+\.\d+\.\d+)|\[(.*)\])(?::\d+)?$/;

/** What is limited by address asks this whose a request is. */
export type AddressOf = (request: FastifyRequest) => string | undefined;

/**
 * Gives the address that a request counts for, or undefined when it counts for none: a client on this machine, unless
 * `rateLoopback` says that those count too. Of IPv6 it is the /64, which is what one customer gets, and within which he
 * may take any address he likes.
 */
export function makeAddressOf({ rateLoopback }: { readonly rateLoopback: boolean }): AddressOf {
  return (request) => {
    // Where a proxy is trusted this is the last address of X-Forwarded-For: the one that the proxy has written.
    const { ip } = request;
    if (ip === undefined) return undefined;
    if (LOOPBACK.test(ip)) return rateLoopback ? 'loopback' : undefined;
    return keyOf(ip);
  };
}

/** One text for all spellings of an address; what is no address at all counts as one. */
export function keyOf(written: string): string {
  if (isIPv4(written)) return written;
  // Some proxies add the port; and an address of this link has a zone.
  const ip = WITH_PORT.exec(written)?.slice(1).join('') ?? written;
  if (isIPv4(ip)) return ip;
  const plain = ip.split('%', 1)[0] as string;
  if (!isIPv6(plain)) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(plain)?.[1];
  return mapped ?? `${expand(plain).slice(0, 4).join(':')}::/64`;
}

/** The eight groups, without leading zeros. */
function expand(ip: string): string[] {
  const [head = '', tail = ''] = ip.toLowerCase().split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':').map((group) => group.replace(/^0+(?=.)/, '')));
  const [before, after] = [groups(head), groups(tail)];
  // An IPv4 address at the end stands for two groups; it is never among the first four unless they are all written.
  const missing = ip.includes('::') ? Math.max(0, 8 - before.length - after.length) : 0;
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after];
}
