import { secretKey } from '../../config/keys/auth-values.ts';
import type { FlatKeys } from '../../config/keys/section.ts';
import {
  booleanKey,
  type ConfigKey,
  durationKey,
  nameKind,
  sizeKey,
  type Texts,
  textOrTextsKey,
  textsByNameKey,
} from '../../config/keys/values.ts';
import { parseNetwork } from './address-guard.ts';
import { isSecret } from './signature.ts';

/** Settings of a connector of type `http`, for its webhooks. Times are in milliseconds, sizes in bytes. */
export interface HttpSettings {
  readonly url: URL | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly secret: string | undefined;
  readonly timeout: number;
  readonly maxResponse: number;
  readonly allowPrivate: boolean;
  readonly allow: readonly string[];
}

/** Keys of `from:` of a flow that starts with a request. */
export interface RequestSettings {
  readonly access: 'authenticated' | readonly string[] | undefined;
  readonly query: readonly string[];
  readonly headers: readonly string[];
  readonly secret: string | undefined;
}

export const HTTP_KEYS: FlatKeys<HttpSettings> = {
  url: urlKey({ what: 'URL that webhooks are sent to; paths of operations are below it' }),
  headers: headersKey({ what: 'Header fields that are sent with every webhook' }),
  secret: signingKey({ what: 'Secret that webhooks are signed with; at least 32 bytes', shownDefault: 'none' }),
  timeout: durationKey('5s', {
    what: 'Maximum time of a webhook, from the DNS lookup to the end of the response',
  }),
  maxResponse: sizeKey('1MiB', { what: 'Maximum size of a response that is read' }),
  allowPrivate: booleanKey(false, { what: 'Whether webhooks may go to loopback and private networks' }),
  allow: allowKey({ what: 'Names, addresses and networks (`10.1.0.0/16`) that are allowed in addition' }),
};

export const REQUEST_KEYS: FlatKeys<RequestSettings> = {
  access: accessKey({ what: 'Callers that may send requests', shownDefault: 'everyone' }),
  query: textOrTextsKey({ what: 'Parameters of the query string that are part of the input', shownDefault: 'none' }),
  headers: fieldNamesKey({ what: 'Header fields that are in `input.headers`', shownDefault: 'none' }),
  secret: signingKey({ what: 'Secret that requests must be signed with; at least 32 bytes', shownDefault: 'none' }),
};

const URL_HINT = 'write an address such as https://example.com/hooks; what is secret goes into headers';

function urlKey(texts: Texts): ConfigKey<URL | undefined> {
  return {
    type: 'URL',
    default: undefined,
    shownDefault: 'none',
    ...texts,
    read: (written) => {
      const url = typeof written === 'string' && URL.canParse(written) ? new URL(written) : undefined;
      if (url === undefined || !['http:', 'https:'].includes(url.protocol)) {
        return { message: 'expected an address that begins with https:// or http://', hint: URL_HINT };
      }
      if (url.username !== '' || url.password !== '' || url.hash !== '') {
        return { message: 'the address may have no name, password or fragment', hint: URL_HINT };
      }
      return { value: url };
    },
  };
}

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** Header fields of the connection or the body (RFC 9110 §7.6.1), which cannot be configured. */
const RESERVED_HEADERS =
  /^(?:host|connection|keep-alive|te|trailer|upgrade|expect|content-(?:length|type|encoding)|transfer-encoding|proxy-.*|webhook-.*|accept-encoding)$/i;

function headersKey(texts: Texts): ConfigKey<Readonly<Record<string, string>>> {
  return textsByNameKey(texts, (fields) => {
    const [name] = fields.find(([field]) => !NAME.test(field) || RESERVED_HEADERS.test(field)) ?? [];
    if (name !== undefined) return { message: `"${name.slice(0, 50)}" is not a header field that can be set` };
    const [wrong] = fields.find(([, text]) => typeof text !== 'string' || !/^[\x20-\x7e]+$/.test(text)) ?? [];
    if (wrong !== undefined) return { message: `${wrong} is not one line of printable ASCII characters` };
    return { value: Object.fromEntries(fields.map(([field, text]) => [field.toLowerCase(), text as string])) };
  });
}

function fieldNamesKey(texts: Texts): ConfigKey<readonly string[]> {
  const list = textOrTextsKey(texts);
  return {
    ...list,
    read: (written) => {
      const reading = list.read(written);
      if ('message' in reading) return reading;
      const wrong = reading.value.find((name) => !NAME.test(name));
      return wrong === undefined ? reading : { message: `"${wrong.slice(0, 50)}" is not the name of a header field` };
    },
  };
}

function signingKey(texts: Texts): ConfigKey<string | undefined> {
  const secret = secretKey(texts);
  return {
    ...secret,
    read: (written) => {
      const reading = secret.read(written);
      if ('message' in reading || isSecret(String(reading.value))) return reading;
      const hint = 'write whsec_ and the base64 of 24 to 64 random bytes, or any other text without whsec_';
      return { message: 'what follows whsec_ is not the base64 of at least 24 bytes', hint };
    },
  };
}

const HOST = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i;

function allowKey(texts: Texts): ConfigKey<readonly string[]> {
  const list = textOrTextsKey({ shownDefault: 'none', ...texts });
  return {
    ...list,
    type: 'list of names, addresses and networks',
    read: (written) => {
      const reading = list.read(written);
      if ('message' in reading) return reading;
      const isKnown = (item: string) => parseNetwork(item) !== undefined || (HOST.test(item) && !/^[\d.]+$/.test(item));
      const wrong = reading.value.find((item) => !isKnown(item));
      if (wrong === undefined) return reading;
      const hint = 'write "intranet.example", "10.1.2.3" or "fd12:3456::/32"';
      return { message: `"${wrong}" is not a name, an address or a network`, hint };
    },
  };
}

function accessKey(texts: Texts): ConfigKey<RequestSettings['access']> {
  const hint = 'write authenticated, or a list of roles';
  return {
    type: '`authenticated` or list of roles',
    default: undefined,
    ...texts,
    read: (written) => {
      if (written === 'authenticated') return { value: written };
      if (!Array.isArray(written) || written.length === 0) {
        return { message: `expected authenticated or roles, found ${nameKind(written)}`, hint };
      }
      const isRole = (role: unknown): role is string => typeof role === 'string' && role !== '';
      return written.every(isRole) ? { value: written } : { message: 'a role is a string', hint };
    },
  };
}
