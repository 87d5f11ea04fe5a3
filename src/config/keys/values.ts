import type { TlsConfig } from '../config.ts';
import { beginsAsOwn } from '../reserved-paths.ts';
import { firstSegmentOf } from '../short-addresses.ts';
import type { Section } from './section.ts';
import { formatDuration, formatSize, parseDuration, parseSize, type Reading } from './units.ts';

/** Converts camelCase to snake_case: `jsonDepth` → `json_depth`. */
export function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

export type KeyScope = 'server' | 'app';

/** Key of config.yaml: its type, default, description and parser. */
export interface ConfigKey<T> {
  /** Type in the documentation: `duration`, `boolean` … */
  readonly type: string;
  /** Default as it would be written in config.yaml; undefined when the key has none. */
  readonly default: unknown;
  /** Text for the documentation in place of a default that depends on something. */
  readonly shownDefault?: string;
  /** Description in the documentation. */
  readonly what: string;
  readonly read: (written: unknown) => Reading<T>;
  /** True when there is no default and a value must be written. */
  readonly isRequired?: boolean;
  /** True when the value is kept with its locations as a `Section`, for the code that knows the keys below it. */
  readonly isSection?: boolean;
}

export interface Texts {
  readonly what: string;
  readonly shownDefault?: string;
}

const MAX_COUNT_ITEMS = 1_000_000_000;
/** Node's timers hold 31 bits of milliseconds; a longer one would fire immediately. */
const MAX_TIMER_MS = 24 * 86_400_000;
const MAX_BUFFER_BYTES = 1024 ** 3;

/** Names the type of a value for a message. Messages do not contain values, which may come from a secret variable. */
export function nameKind(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a mapping';
  if (typeof value === 'string') return 'text';
  return typeof value === 'boolean' ? 'true or false' : 'a number';
}

export function booleanKey<D extends boolean | undefined>(value: D, texts: Texts): ConfigKey<boolean | D> {
  return {
    type: 'boolean',
    default: value,
    ...texts,
    read: (written) =>
      typeof written === 'boolean'
        ? { value: written }
        : { message: `expected true or false, found ${nameKind(written)}`, hint: 'write true or false' },
  };
}

export function textKey<D extends string | undefined>(value: D, texts: Texts): ConfigKey<string | D> {
  return {
    type: 'string',
    default: value,
    ...texts,
    read: (written) => {
      if (typeof written === 'string' && written.trim() !== '' && !written.includes('\0')) return { value: written };
      const found = written === '' ? 'an empty text' : nameKind(written);
      // A name like a version or number is a number in YAML; quotes make it a string.
      const hint = typeof written === 'number' || typeof written === 'boolean' ? 'put it in quotes' : undefined;
      return { message: `expected a string, found ${found}`, ...(hint ? { hint } : {}) };
    },
  };
}

/** Makes a key for an absolute URL path, without characters that need escapes and without a slash at the end. */
export function pathKey(value: string, texts: Texts): ConfigKey<string> {
  return {
    type: 'path',
    default: value,
    ...texts,
    read: (written) => {
      if (typeof written !== 'string' || !/^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(written)) {
        return {
          message: 'expected a path such as /api/v1/realtime',
          hint: 'it begins with / and consists of letters, digits, - . _ ~',
        };
      }
      if (!beginsAsOwn(firstSegmentOf(written))) return { value: written };
      const message = `"${written}" is reserved: paths that begin with "_" are the server's own`;
      return { message, hint: `for example ${written.replace(/^\/_+(?=[^/])/, '/').replace(/^\/_+/, '/app')}` };
    },
  };
}

export function textsKey(value: readonly string[], texts: Texts): ConfigKey<readonly string[]> {
  return {
    type: 'list of strings',
    default: value,
    ...texts,
    read: (written) => {
      if (!Array.isArray(written)) {
        return { message: `expected a list, found ${nameKind(written)}`, hint: 'write one per line: "  - name"' };
      }
      if (written.length === 0) return { message: 'the list is empty' };
      const wrong = written.findIndex((item) => typeof item !== 'string' || item === '');
      if (wrong >= 0) return { message: `expected a string in the list, found ${nameKind(written[wrong])}` };
      return { value: written.map(String) };
    },
  };
}

/** Makes a key for a string or a list of strings; the default is an empty list. */
export function textOrTextsKey(texts: Texts): ConfigKey<readonly string[]> {
  const { read } = textsKey([], texts);
  return {
    type: 'string or list of strings',
    default: [],
    ...texts,
    read: (written) => (Array.isArray(written) && written.length === 0 ? { value: [] } : read(asList(written))),
  };
}

function asList(written: unknown): unknown {
  return typeof written === 'string' ? [written] : written;
}

export function countKey(value: number, texts: Texts, { min = 1, max = MAX_COUNT_ITEMS } = {}): ConfigKey<number> {
  return {
    type: 'integer',
    default: value,
    ...texts,
    read: (written) =>
      typeof written === 'number' && Number.isInteger(written) && written >= min && written <= max
        ? { value: written }
        : { message: `expected an integer from ${min} to ${max}` },
  };
}

export function portKey(value: number, texts: Texts): ConfigKey<number> {
  return { ...countKey(value, texts, { min: 0, max: 65_535 }), type: 'port' };
}

/** Longest time for which something may be kept: ten years. */
export const MAX_RETENTION_MS = 10 * 365 * 86_400_000;

export function durationKey(value: string, texts: Texts, { min = 1, max = MAX_TIMER_MS } = {}): ConfigKey<number> {
  return {
    type: 'duration',
    default: value,
    ...texts,
    read: (written) => within(parseDuration(written), { min, max, format: formatDuration }),
  };
}

export function sizeKey(value: string, texts: Texts, { min = 1, max = MAX_BUFFER_BYTES } = {}): ConfigKey<number> {
  return {
    type: 'size',
    default: value,
    ...texts,
    read: (written) => within(parseSize(written), { min, max, format: formatSize }),
  };
}

interface Bounds {
  readonly min: number;
  readonly max: number;
  readonly format: (value: number) => string;
}

function within(reading: Reading<number>, { min, max, format }: Bounds): Reading<number> {
  if ('message' in reading || (reading.value >= min && reading.value <= max)) return reading;
  return { message: `expected ${format(min)} to ${format(max)}, found ${format(reading.value)}` };
}

export function choiceKey<const C extends string, D extends C | undefined>(
  choices: readonly C[],
  value: D,
  texts: Texts,
): ConfigKey<C | D> {
  const listed = choices.join(', ');
  return {
    type: choices.map((choice) => `\`${choice}\``).join(', '),
    default: value,
    ...texts,
    read: (written) => {
      const choice = choices.find((name) => name === written);
      return choice === undefined
        ? { message: `expected ${choices.length === 1 ? listed : `one of ${listed}`}` }
        : { value: choice };
    },
  };
}

/** Makes a key for `auto`, `false` or the two files. The paths are resolved later, when the folder is known. */
export function tlsKey(texts: Texts): ConfigKey<TlsConfig | false | undefined> {
  const hint = 'write `tls: auto`, `tls: false`, or `certificate:` and `private_key:` below it';
  return {
    type: '`auto`, `false` or `{certificate, private_key}`',
    default: undefined,
    ...texts,
    read: (written) => {
      if (written === 'auto' || written === false) return { value: written };
      if (typeof written !== 'object' || written === null || Array.isArray(written)) {
        return { message: `expected auto, false or a certificate, found ${nameKind(written)}`, hint };
      }
      const { certificate, private_key: privateKey, ...rest } = written as Record<string, unknown>;
      const [unknown] = Object.keys(rest);
      if (unknown !== undefined) return { message: `unknown key "${unknown}" in tls`, hint };
      if (typeof certificate !== 'string' || certificate === '') return { message: 'tls needs a certificate', hint };
      if (typeof privateKey !== 'string' || privateKey === '') return { message: 'tls needs a private_key', hint };
      return { value: { certificate, privateKey } };
    },
  };
}

/** Makes a key for a mapping from names to mappings, whose keys are checked later. */
export function sectionKey(texts: Texts): ConfigKey<Section | undefined> {
  return {
    type: 'mapping',
    default: undefined,
    shownDefault: 'none',
    ...texts,
    isSection: true,
    read: (written) =>
      typeof written === 'object' && written !== null && !Array.isArray(written)
        ? { value: undefined }
        : { message: `expected names, each with keys and values below it, found ${nameKind(written)}` },
  };
}

/** Makes a key for a mapping from names to strings. `check` gets the values before they are known to be strings. */
export function textsByNameKey(
  texts: Texts,
  check: (fields: readonly (readonly [name: string, value: unknown])[]) => Reading<Readonly<Record<string, string>>>,
): ConfigKey<Readonly<Record<string, string>>> {
  return {
    type: 'mapping from names to strings',
    default: {},
    shownDefault: 'none',
    ...texts,
    read: (written) =>
      typeof written === 'object' && written !== null && !Array.isArray(written)
        ? check(Object.entries(written))
        : { message: `expected names and strings, found ${nameKind(written)}` },
  };
}

/** Makes a key optional, without a default. */
export function optional<T>(key: ConfigKey<T>): ConfigKey<T | undefined> {
  return { ...key, default: undefined };
}

/** Makes a key required, without a default. */
export function required<T>(key: ConfigKey<T>): ConfigKey<Exclude<T, undefined>> {
  return { ...key, default: undefined, isRequired: true } as ConfigKey<Exclude<T, undefined>>;
}

const STORE_HINT =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: config.yaml has it like this.
  'write store: ${DATABASE_URL}, and give that variable a URL like postgres://user:password@host:5432/database';

const NATS_HINT = 'write nats://host:4222, or tls://user:password@host:4222; several servers are separated by commas';

/** Makes the key for the URL of NATS; several, separated by commas, are servers of one cluster. Messages do not contain it. */
export function natsKey(texts: Texts): ConfigKey<string | undefined> {
  return {
    type: 'nats URL',
    default: undefined,
    ...texts,
    read: (written) => {
      if (typeof written !== 'string')
        return { message: `expected a URL, found ${nameKind(written)}`, hint: NATS_HINT };
      const isNats = (url: string) => URL.canParse(url) && /^(?:nats|tls):$/.test(new URL(url).protocol);
      if (!written.split(',').every((url) => isNats(url.trim()) && new URL(url.trim()).hostname !== '')) {
        return { message: 'this is not a URL of NATS', hint: NATS_HINT };
      }
      return { value: written };
    },
  };
}

/** Makes the key for the URL of a database. Its messages do not contain the value, which has a password. */
export function storeKey(texts: Texts): ConfigKey<string | undefined> {
  return {
    type: 'postgres URL',
    default: undefined,
    ...texts,
    read: (written) => {
      if (typeof written !== 'string')
        return { message: `expected a URL, found ${nameKind(written)}`, hint: STORE_HINT };
      const url = URL.canParse(written) ? new URL(written) : undefined;
      if (url === undefined) return { message: 'this is not a URL', hint: STORE_HINT };
      if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') {
        return { message: 'the only external store is PostgreSQL', hint: STORE_HINT };
      }
      if (url.pathname.length < 2) return { message: 'the URL names no database', hint: STORE_HINT };
      return { value: written };
    },
  };
}
