import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../errors.ts';
import { isTooLong, normalizePassword } from '../policy/account-rules.ts';

/** 32 MiB and about 0.2 s for each password: N = 2^15, r = 8, p = 3 (OWASP Password Storage Cheat Sheet). */
const COST = { ln: 15, r: 8, p: 3 };
const SALT_LENGTH = 16;
const HASH_LENGTH = 32;
/** Passwords hashed at a time: the other two of libuv's four threads are for files. */
const MAX_RUNNING = 2;

type Cost = typeof COST;

interface Hashed {
  readonly cost: Cost;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Hash that no password has: an unknown user takes as long as a known one, so that names cannot be probed. */
const NO_PASSWORD: Hashed = { cost: COST, salt: Buffer.alloc(SALT_LENGTH), hash: Buffer.alloc(HASH_LENGTH) };

/** Hashes passwords with scrypt (RFC 7914), a few at a time and never in the event loop's thread. */
export class Passwords {
  readonly #maxWaiting: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** Lets at most this number of passwords wait. */
  constructor(maxWaiting: number) {
    this.#maxWaiting = maxWaiting;
  }

  /** Returns `$scrypt$ln=15,r=8,p=3$salt$hash` (PHC string format). Throws OVERLOADED when too many passwords wait. */
  async hash(password: string): Promise<string> {
    const salt = randomBytes(SALT_LENGTH);
    const hash = await this.#run(() => derive(password, { cost: COST, salt, hash: NO_PASSWORD.hash }));
    const { ln, r, p } = COST;
    return `$scrypt$ln=${ln},r=${r},p=${p}$${encode(salt)}$${encode(hash)}`;
  }

  /**
   * Returns whether this is the password that was hashed. Where nothing is stored, it takes as long and returns false.
   */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    const hashed = stored === undefined ? NO_PASSWORD : parse(stored);
    const hash = await this.#run(() => derive(isTooLong(password) ? '' : password, hashed));
    return timingSafeEqual(hash, hashed.hash) && stored !== undefined && !isTooLong(password);
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= MAX_RUNNING) {
      if (this.#waiting.length >= this.#maxWaiting) {
        throw new AppError(
          'OVERLOADED',
          `${this.#maxWaiting} logins are waiting, as many as limits.logins_waiting allows.`,
        );
      }
      // Each finished hash passes its place to the next in line, so that nothing overtakes.
      await new Promise<void>((turn) => this.#waiting.push(turn));
    } else this.#running++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }
}

function derive(password: string, { cost: { ln, r, p }, salt, hash }: Hashed): Promise<Buffer> {
  const options: ScryptOptions = { N: 2 ** ln, r, p, maxmem: 128 * r * (2 ** ln + p + 2) };
  return new Promise((resolve, reject) => {
    scrypt(normalizePassword(password), salt, hash.length, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

function parse(stored: string): Hashed {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([\w+/]{1,128})\$([\w+/]{16,128})$/.exec(stored);
  if (match === null) throw new Error('a stored password has an unknown form');
  const [, ln, r, p, salt = '', hash = ''] = match;
  const cost = { ln: Number(ln), r: Number(r), p: Number(p) };
  return { cost, salt: Buffer.from(salt, 'base64'), hash: Buffer.from(hash, 'base64') };
}

function encode(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}
