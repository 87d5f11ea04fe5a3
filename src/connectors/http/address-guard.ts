import { type LookupAddress, lookup as lookupName } from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';
import { PermanentError } from '../connector.ts';

type Subnet = readonly [address: string, bits: number];

// Special-purpose addresses of the IANA registries (RFC 6890): none of them is a public server.
const PRIVATE_V4: readonly Subnet[] = [
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
];
const RESERVED_V4: readonly Subnet[] = [
  ['0.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
const PRIVATE_V6: readonly Subnet[] = [
  ['::1', 128],
  ['fc00::', 7],
];
/** Global unicast is the only public part of IPv6; the rest need not be listed. */
const GLOBAL_V6: Subnet = ['2000::', 3];
/** Reserved parts of global unicast: Teredo and other protocols, documentation, 6to4, which hides an IPv4 address. */
const RESERVED_V6: readonly Subnet[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];
/** Metadata services of clouds, which serve secrets, as far as their addresses are not link-local. */
const METADATA = ['100.100.100.200', '168.63.129.16', 'fd00:ec2::254', 'fd20:ce::254'];

function listOf(subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [address, bits] of subnets) list.addSubnet(address, bits, isIPv4(address) ? 'ipv4' : 'ipv6');
  return list;
}

const PRIVATE = listOf([...PRIVATE_V4, ...PRIVATE_V6]);
const RESERVED = listOf([...PRIVATE_V4, ...RESERVED_V4, ...RESERVED_V6]);
const GLOBAL = listOf([GLOBAL_V6]);
const SECRET = listOf(METADATA.map((address) => [address, isIPv4(address) ? 32 : 128]));

export interface GuardSettings {
  /** Also allows loopback and private networks. */
  readonly allowPrivate: boolean;
  /** Names, addresses and networks that are always allowed. */
  readonly allow: readonly string[];
}

/** Resolver of names; the one of the system, except in tests. */
export type Resolve = (
  name: string,
  options: { readonly all: true; readonly family: number; readonly hints: number },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Requests may not be sent to the address. */
export class AddressRefusedError extends PermanentError {
  constructor(host: string) {
    super(`"${host}" is at an address that is private, local or reserved; allow_private or allow permits it`);
  }
}

/**
 * Decides which addresses requests may go to, so that the server does not fetch internal addresses for a caller (SSRF). A
 * name is looked up once, and the connection uses the address that was checked.
 */
export class AddressGuard {
  readonly #allowPrivate: boolean;
  readonly #names: ReadonlySet<string>;
  readonly #networks: BlockList;
  readonly #resolve: Resolve;

  constructor({ allowPrivate, allow }: GuardSettings, resolve: Resolve = lookupName) {
    this.#allowPrivate = allowPrivate;
    const networks = allow.map(parseNetwork);
    this.#networks = listOf(networks.filter((network) => network !== undefined));
    this.#names = new Set(allow.filter((_, index) => networks[index] === undefined).map(normalizeName));
    this.#resolve = resolve;
  }

  /** True when requests may be sent to the host of a URL. Names are checked by `lookup`. */
  allowsHost(host: string): boolean {
    return isIP(host) === 0 || this.#allows(host);
  }

  /** Looks up and checks a name, for `lookup` of a request. Node does not call it for a host that is an address. */
  readonly lookup: LookupFunction = (name, { all, family, hints }, done) => {
    const version = family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : (family ?? 0);
    this.#resolve(name, { all: true, family: version, hints: hints ?? 0 }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) {
        done(error ?? new Error(`"${name}" has no address`), '', 0);
      } else if (!this.#names.has(normalizeName(name)) && !addresses.every(({ address }) => this.#allows(address))) {
        done(new AddressRefusedError(name), '', 0);
      } else if (all) {
        done(null, addresses);
      } else {
        done(null, first.address, first.family);
      }
    });
  };

  #allows(host: string): boolean {
    const [address = ''] = host.split('%', 1);
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    // Block lists match an IPv4-mapped IPv6 address in lists of both: ::ffff:10.0.0.1 is 10.0.0.1.
    if (this.#networks.check(address, family)) return true;
    if (SECRET.check(address, family)) return false;
    if (this.#allowPrivate && PRIVATE.check(address, family)) return true;
    if (RESERVED.check(address, family)) return false;
    return family === 'ipv4' || isMapped(address) || GLOBAL.check(address, family);
  }
}

const MAPPED = listOf([['::ffff:0:0', 96]]);

function isMapped(address: string): boolean {
  return MAPPED.check(address, 'ipv6');
}

/** Name in lower case and without a final dot, for comparison. */
function normalizeName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** Parses `10.0.0.0/8`, `10.1.2.3` or `fc00::/7`; undefined for text that is not an address. */
export function parseNetwork(written: string): Subnet | undefined {
  const [address = '', bits, ...rest] = written.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return undefined;
  const maxBits = version === 4 ? 32 : 128;
  if (bits === undefined) return [address, maxBits];
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  return length <= maxBits ? [address, length] : undefined;
}
