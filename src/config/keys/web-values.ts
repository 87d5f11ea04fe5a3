import { isIP } from 'node:net';
import type { ConsoleConfig } from '../config.ts';
import { parseDuration, type Reading, type Wrong } from './units.ts';
import { type ConfigKey, nameKind, type Texts, textsKey } from './values.ts';

const ORIGIN_HINT = 'write scheme, host and port as browsers do: "https://app.example", "http://localhost:5173"';
const HOST_HINT = 'write the bare name: "app.example" or "192.168.0.5"; every port of it is meant';
const MIN_TOKEN_CHARS = 16;
/** Token of RFC 9110 §5.6.2. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/;
/** Request headers that pages must not set (Fetch standard, §2.2.2). */
const OF_BROWSERS =
  /^(?:accept-(?:charset|encoding)|access-control-request-.*|connection|content-length|cookie2?|date|dnt|expect|host|keep-alive|origin|referer|te|trailer|transfer-encoding|upgrade|via|set-cookie|proxy-.*|sec-.*)$/i;

/** Makes a key for origins of other sites (RFC 6454 §6.1); `*` is all of them. */
export function originsKey(texts: Texts): ConfigKey<readonly string[]> {
  return listOf({ ...texts, type: 'list of origins', parse: parseOrigin });
}

/** Makes a key for names and addresses as in `Host`, without port. */
export function hostsKey(texts: Texts): ConfigKey<readonly string[]> {
  return listOf({ ...texts, type: 'list of names', parse: parseHost });
}

/** Makes a key for request headers that pages may send; headers that only browsers set are refused. */
export function requestHeadersKey(texts: Texts): ConfigKey<readonly string[]> {
  return headersKey(texts, (name) =>
    OF_BROWSERS.test(name) ? `"${name}" is set by browsers; no page can send it` : undefined,
  );
}

/** Makes a key for response headers that pages may read. */
export function answerHeadersKey(texts: Texts): ConfigKey<readonly string[]> {
  return headersKey(texts, (name) =>
    /^set-cookie2?$/i.test(name) ? `"${name}" is for browsers; no page can read it` : undefined,
  );
}

function headersKey(texts: Texts, problemOf: (name: string) => string | undefined): ConfigKey<readonly string[]> {
  const parse = (written: string): Reading<string> => {
    if (written === '*') {
      const message = '"*" does not include all headers when credentials are sent';
      return { message, hint: 'name the header fields: traceparent, X-Team' };
    }
    if (!HEADER_NAME.test(written)) return { message: `"${written}" is not a name of a header field` };
    const message = problemOf(written);
    return message === undefined ? { value: written } : { message };
  };
  return listOf({ ...texts, type: 'list of names', parse });
}

/** Makes a key for on, off, or a bearer token that requests must present. */
export function switchOrTokenKey(texts: Texts): ConfigKey<boolean | string | undefined> {
  return {
    type: 'boolean or token',
    default: undefined,
    ...texts,
    read: (written) => {
      if (typeof written === 'boolean') return { value: written };
      const hint = `write true, false, or a secret of ${MIN_TOKEN_CHARS} characters or more`;
      if (typeof written !== 'string')
        return { message: `expected true, false or a token, found ${nameKind(written)}`, hint };
      if (!/^[\x21-\x7e]+$/.test(written)) return { message: 'a token has printable ASCII characters only', hint };
      if (written.length >= MIN_TOKEN_CHARS) return { value: written };
      return { message: `a token has at least ${MIN_TOKEN_CHARS} characters`, hint };
    },
  };
}

/** Makes a key for the value of a header; false for none. */
export function policyKey(value: string, texts: Texts): ConfigKey<string | false> {
  return {
    type: 'string or false',
    default: value,
    ...texts,
    read: (written) => {
      if (written === false) return { value: false };
      if (typeof written !== 'string' || written.trim() === '') {
        return { message: `expected a policy or false, found ${nameKind(written)}` };
      }
      return /^[\x20-\x7e]+$/.test(written)
        ? { value: written }
        : { message: 'a policy has printable ASCII characters only, on one line' };
    },
  };
}

const IDLE_LOCK_MS = 30 * 60_000;
const MIN_IDLE_LOCK_MS = 10_000;

/** Makes a key for on, off, or on for some networks and with a time without input. */
export function consoleKey(texts: Texts): ConfigKey<ConsoleConfig> {
  const networks = listOf({ what: '', type: 'list of networks', parse: parseNetwork });
  const hint = 'write true, false, or `allow:` and `idle_lock:` below it';
  return {
    type: 'boolean or `{allow, idle_lock}`',
    default: true,
    ...texts,
    read: (written) => {
      if (typeof written === 'boolean')
        return { value: { enabled: written, allow: undefined, idleLock: IDLE_LOCK_MS } };
      if (typeof written !== 'object' || written === null || Array.isArray(written)) {
        return { message: `expected true, false or settings, found ${nameKind(written)}`, hint };
      }
      const { allow, idle_lock: idleLock, ...rest } = written as Record<string, unknown>;
      const [unknown] = Object.keys(rest);
      if (unknown !== undefined) return { message: `unknown key "${unknown}" in console`, hint };
      if (allow === undefined && idleLock === undefined) return { message: 'console has no settings', hint };
      const reading = allow === undefined ? { value: undefined } : networks.read(allow);
      if ('message' in reading) return { ...reading, message: `allow: ${reading.message}` };
      const time = idleLock === undefined ? { value: IDLE_LOCK_MS } : readIdleLock(idleLock);
      if ('message' in time) return { ...time, message: `idle_lock: ${time.message}` };
      return { value: { enabled: true, allow: reading.value, idleLock: time.value } };
    },
  };
}

function readIdleLock(written: unknown): Reading<number> {
  const reading = parseDuration(written);
  if ('message' in reading || reading.value === 0 || reading.value >= MIN_IDLE_LOCK_MS) return reading;
  return { message: 'must be at least 10s', hint: 'write 0 to turn it off' };
}

/** Accepts an address, or a network in CIDR notation (RFC 4632, RFC 4291 §2.3). */
function parseNetwork(written: string): Reading<string> {
  const [address = '', bits, ...rest] = written.split('/');
  const size = isIP(address) === 4 ? 32 : 128;
  const isWhole = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= size);
  if (isIP(address) !== 0 && isWhole && rest.length === 0 && !address.includes('%')) return { value: written };
  return { message: `"${written}" is not a network`, hint: 'write an address or CIDR: "192.168.0.0/16", "::1"' };
}

interface ListOptions extends Texts {
  readonly type: string;
  readonly parse: (written: string) => Reading<string>;
}

function listOf({ type, parse, ...texts }: ListOptions): ConfigKey<readonly string[]> {
  const list = textsKey([], texts);
  return {
    ...list,
    type,
    read: (written) => {
      // The empty list is the default, and may also be written.
      if (Array.isArray(written) && written.length === 0) return { value: [] };
      const reading = list.read(written);
      if ('message' in reading) return reading;
      const parsed = reading.value.map(parse);
      const wrong = parsed.find((item): item is Wrong => 'message' in item);
      return wrong ?? { value: parsed.flatMap((item) => ('value' in item ? [item.value] : [])) };
    },
  };
}

/** Accepts an origin only in the form in which browsers send it, so that origins can be compared as strings. */
function parseOrigin(written: string): Reading<string> {
  if (written === '*') return { value: written };
  if (written === 'null') {
    return { message: '"null" is not an origin: every sandboxed page sends it', hint: ORIGIN_HINT };
  }
  if (written.includes('*'))
    return { message: `"${written}" is a pattern; origins are compared whole`, hint: ORIGIN_HINT };
  const url = URL.canParse(written) ? new URL(written) : undefined;
  // URL has no origin for schemes that are not of the web, such as that of an installed application.
  const origin = url?.origin === 'null' ? `${url.protocol}//${url.host}` : url?.origin;
  if (origin === undefined || url?.host === '') return { message: `"${written}" is not an origin`, hint: ORIGIN_HINT };
  if (origin !== written) return { message: `"${written}" is more than an origin`, hint: `did you mean "${origin}"?` };
  return { value: written };
}

function parseHost(written: string): Reading<string> {
  const name = written.toLowerCase();
  if (/^(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/.test(name)) return { value: name };
  if (/^[0-9a-f]*:[0-9a-f:.]+$/.test(name) && !/^[^:]*:\d*$/.test(name)) {
    return { message: `"${written}" needs brackets`, hint: `write "[${name}]"` };
  }
  return { message: `"${written}" is not a host name`, hint: HOST_HINT };
}
