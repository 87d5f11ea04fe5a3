import { type LookupAddress, lookup as lookupName } from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';
import { PermanentError } from '../connector.ts';

type Subnet = readonly [address: string, bits: number];

// Special-purpose addresses of the IANA registries (RFC 6890), of which none is somebody else's server.
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
/** Only global unicast is anybody's; the rest of IPv6 need not be listed. */
const GLOBAL_V6: Subnet = ['2000::', 3];
/** Within it: Teredo and other protocols, documentation, 6to4, which hides an IPv4 address. */
const RESERVED_V6: readonly Subnet[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];
/** Where machines in clouds are told their secrets, as far as these are no link-local addresses. */
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
  /** Loopback and private networks, too. */
  readonly allowPrivate: boolean;
  /** Names, addresses and networks that are allowed whatever they are. */
  readonly allow: readonly string[];
}

/** How names are looked up; the machine's own way unless a test says otherwise. */
export type Resolve = (
  name: string,
  options: { readonly all: true; readonly family: number; readonly hints: number },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** The address of a request is not one that requests may be sent to. */
export class AddressRefusedError extends PermanentError {
  constructor(host: string) {
    super(`"${host}" is at an address that is private, local or reserved; allow_private or allow lets it through`);
  }
}

/**
 * Decides which addresses requests may go to, so that nobody has the server fetch what only it can reach (SSRF). A name is
 * looked up once, and the connection is made to the address that was looked at.
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
    this.#names = new Set(allow.filter((_, index) => networks[index] === undefined).map(plainName));
    this.#resolve = resolve;
  }

  /** Whether an address in a URL may be asked; names are looked at when they are looked up. */
  allowsHost(host: string): boolean {
    return isIP(host) === 0 || this.#allows(host);
  }

  /** For `lookup` of a request. Never called by the runtime for a host that is an address. */
  readonly lookup: LookupFunction = (name, { all, family, hints }, done) => {
    const version = family === 'IPv4' ? 4 : family === 'IPv6' ? 6 : (family ?? 0);
    this.#resolve(name, { all: true, family: version, hints: hints ?? 0 }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) {
        done(error ?? new Error(`"${name}" has no address`), '', 0);
      } else if (!this.#names.has(plainName(name)) && !addresses.every(({ address }) => this.#allows(address))) {
        done(new AddressRefusedError(name), '', 0);
      } else if (all) {
        done(null, addresses);
      } else {
        done(null, first.address, first.family);
      }
    });
  };

  #allows(written: string): boolean {
    const [address = ''] = written.split('%', 1);
    const family = isIPv4(address) ? 'ipv4' : 'ipv6';
    // An IPv4 address in the clothes of IPv6 is found in lists of both: ::ffff:10.0.0.1 is 10.0.0.1.
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

/** As names are compared: case and a dot at the end mean nothing. */
function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '');
}

/** `10.0.0.0/8`, `10.1.2.3`, `fc00::/7`; undefined for what is no address. */
export function parseNetwork(written: string): Subnet | undefined {
  const [address = '', bits, ...rest] = written.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return undefined;
  const most = version === 4 ? 32 : 128;
  if (bits === undefined) return [address, most];
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  return length <= most ? [address, length] : undefined;
}
