// Every repetition is bounded, so that a long string is refused in linear time. Date and time are both written with their
// separators (`2025-01-15T10:30`) or both without (`20250115T1030`).
const ISO =
  /^(\d{4})(-?)(\d{2})\2(\d{2})(?:[Tt ](\d{2})(:?)(\d{2})(?:\6(\d{2})(?:[.,](\d{1,9}))?)?(?:[Zz]|([+-])(\d{2})(?::?(\d{2}))?)?)?$/;

const FIRST = '0000-01-01T00:00:00.000Z';
const LAST = '9999-12-31T23:59:59.999Z';

/**
 * Converts an ISO 8601 date or date and time to the one form in which dates are stored, so that the order of the strings
 * is the order in time. Undefined for any other string. The basic form (`20250115T103000Z`) is accepted, too. A time
 * without an offset is UTC; an offset may be hours alone (`+02`). Digits beyond milliseconds are cut off.
 */
export function parseDate(text: string): string | undefined {
  const match = ISO.exec(text);
  if (match === null) return undefined;
  const hasTime = match[6] !== undefined;
  if (hasTime && (match[2] === '') !== (match[6] === '')) return undefined;
  const part = (index: number) => Number(match[index] ?? 0);
  const date = new Date(0);
  date.setUTCFullYear(part(1), part(3) - 1, part(4));
  // 2025-02-30 would roll over to March.
  if (date.getUTCMonth() !== part(3) - 1 || date.getUTCDate() !== part(4)) return undefined;
  if (part(5) > 23 || part(7) > 59 || part(8) > 59 || part(11) > 23 || part(12) > 59) return undefined;
  const milliseconds = Number((match[9] ?? '').slice(0, 3).padEnd(3, '0'));
  const offset = (match[10] === '-' ? -1 : 1) * (part(11) * 60 + part(12));
  date.setUTCHours(part(5), part(7) - offset, part(8), milliseconds);
  const iso = date.toISOString();
  // An offset may lead out of the four-digit years; such a year is written with a sign and would not sort.
  return iso.length === FIRST.length && iso >= FIRST && iso <= LAST ? iso : undefined;
}
