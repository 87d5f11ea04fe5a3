import { isIPv4, isIPv6 } from 'node:net';
import { compilePattern, type Pattern } from './pattern.ts';

interface TextFormat {
  /** End of the sentence `must be …`. */
  readonly name: string;
  readonly test: (text: string) => boolean;
  /** Pattern that documents show where JSON Schema has no such format. */
  readonly pattern?: string;
}

function byPattern(source: string): (text: string) => boolean {
  // Compiled when a schema uses the format for the first time.
  let compiled: Pattern | undefined;
  return (text) => {
    compiled ??= compilePattern(source) as Pattern;
    return compiled.test(text);
  };
}

const SLUG = '^[a-z0-9]+(?:-[a-z0-9]+)*$';
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~\\-]+";
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9\\-]*[A-Za-z0-9])?';
const isLocalAndDomain = byPattern(`^${ATOM}(?:\\.${ATOM})*@(?:${LABEL}\\.)+${LABEL}$`);
const isUuid = byPattern('^[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$');
const isLabel = byPattern(`^${LABEL}$`);
const isSlug = byPattern(SLUG);

/** RFC 3986. The address within brackets is checked apart. */
const CHARACTER = "[A-Za-z0-9\\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2}";
const AUTHORITY = `(?:(?:${CHARACTER}|:)*@)?(?:\\[[0-9A-Fa-f:.]*\\]|(?:${CHARACTER})*)(?::[0-9]*)?`;
const SEGMENT = `(?:${CHARACTER}|[:@])`;
const PATHS = `(?://${AUTHORITY}(?:/${SEGMENT}*)*|/(?:${SEGMENT}+(?:/${SEGMENT}*)*)?|${SEGMENT}+(?:/${SEGMENT}*)*)`;
const hasUriForm = byPattern(
  `^[A-Za-z][A-Za-z0-9+\\-.]*:${PATHS}(?:\\?(?:${SEGMENT}|[/?])*)?(?:#(?:${SEGMENT}|[/?])*)?$`,
);

function isUri(text: string): boolean {
  if (!hasUriForm(text)) return false;
  const bracket = text.indexOf('[');
  return bracket < 0 || isIPv6(text.slice(bracket + 1, text.indexOf(']')));
}

const DATE = /^(\d{4})-(\d{2})-(\d{2})$/;
const TIME = /^(\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-](\d{2}):(\d{2}))$/;

function isDate(text: string): boolean {
  const [, year, month, day] = (DATE.exec(text) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined) return false;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}

function isTime(text: string): boolean {
  const match = TIME.exec(text);
  if (match === null) return false;
  const [hour, minute, second, hours, minutes] = match.slice(1).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
  ];
  return hour <= 23 && minute <= 59 && second <= 59 && hours <= 23 && minutes <= 59;
}

function isDateTime(text: string): boolean {
  return /^[Tt]$/.test(text.charAt(10)) && isDate(text.slice(0, 10)) && isTime(text.slice(11));
}

function isHostname(text: string): boolean {
  const name = text.endsWith('.') ? text.slice(0, -1) : text;
  return name.length <= 253 && name.split('.').every((label) => label.length <= 63 && isLabel(label));
}

/** Formats of strings, each with a check in linear time. */
export const FORMATS: ReadonlyMap<string, TextFormat> = new Map<string, TextFormat>([
  ['email', { name: 'an email address', test: isLocalAndDomain }],
  ['uri', { name: 'a URI with its scheme, such as https://example.com', test: isUri }],
  ['uuid', { name: 'a UUID', test: isUuid }],
  ['date', { name: 'a date, such as 2025-01-31', test: isDate }],
  ['time', { name: 'a time with its offset, such as 10:30:00Z', test: isTime }],
  ['date-time', { name: 'a date and time with its offset, such as 2025-01-31T10:30:00Z', test: isDateTime }],
  ['hostname', { name: 'a host name', test: isHostname }],
  ['ipv4', { name: 'an IPv4 address', test: isIPv4 }],
  ['ipv6', { name: 'an IPv6 address', test: (text) => !text.includes('%') && isIPv6(text) }],
  [
    'slug',
    { name: 'a slug: lower-case letters and digits, with single hyphens between them', test: isSlug, pattern: SLUG },
  ],
]);
