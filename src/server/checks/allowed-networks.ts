import { BlockList, isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';

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
