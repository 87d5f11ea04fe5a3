// Every repetition is bounded, so that a long text is refused in linear time.
const ISO =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?(?:([Zz])|([+-])(\d{2}):?(\d{2}))?)?$/;

const FIRST = '0000-01-01T00:00:00.000Z';
const LAST = '9999-12-31T23:59:59.999Z';

/**
 * An ISO 8601 date or date and time in the one form in which dates are stored, so that the order of the texts is the
 * order in time; undefined when it is none. A time without an offset is UTC; digits beyond milliseconds are cut off.
 */
export function parseDate(text: string): string | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const part = (index: number) => Number(match[index] ?? 0);
  const date = new Date(0);
  date.setUTCFullYear(part(1), part(2) - 1, part(3));
  // 2025-02-30 would roll over to March.
  if (date.getUTCMonth() !== part(2) - 1 || date.getUTCDate() !== part(3)) return undefined;
  if (part(4) > 23 || part(5) > 59 || part(6) > 59 || part(10) > 23 || part(11) > 59) return undefined;
  const milliseconds = Number((match[7] ?? '').slice(0, 3).padEnd(3, '0'));
  const offset = (match[9] === '-' ? -1 : 1) * (part(10) * 60 + part(11));
  date.setUTCHours(part(4), part(5) - offset, part(6), milliseconds);
  const iso = date.toISOString();
  // An offset may lead out of the four-digit years; such a text is written with a sign and would not sort.
  return iso.length === FIRST.length && iso >= FIRST && iso <= LAST ? iso : undefined;
}
