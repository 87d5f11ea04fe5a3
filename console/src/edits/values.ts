import type { Rec } from '../grid/segment.ts';
import type { Field, Table } from '../state/schema.ts';

/** Text that an input shows for a value. */
export function toInput(value: unknown, field: Field | undefined): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'object' || field?.kind === 'json') return JSON.stringify(value, null, 2);
  return String(value);
}

export type Parsed = { readonly value: unknown } | { readonly error: string };

/** Value of a text that was typed into a field. An empty text is null, unless the field is a text. */
export function fromInput(text: string, field: Field | undefined, wasNull: boolean): Parsed {
  if (field === undefined) return { value: text };
  if (field.list || field.kind === 'json' || field.kind === 'object') return fromJson(text, field);
  if (text === '' && (field.kind !== 'text' || (wasNull && !field.required))) return { value: null };
  switch (field.kind) {
    case 'number':
      return fromNumber(text, field);
    case 'long':
      if (!/^-?\d+$/.test(text.trim())) return { error: 'is a whole number' };
      return { value: Number.isSafeInteger(Number(text)) ? Number(text) : text.trim() };
    case 'boolean':
      return { value: text === 'true' };
    default:
      return { value: text };
  }
}

function fromNumber(text: string, { type }: Field): Parsed {
  const value = Number(text.trim());
  if (!Number.isFinite(value)) return { error: 'is a number' };
  if (type === 'Int' && !Number.isSafeInteger(value)) return { error: 'is a whole number within ±(2^53−1)' };
  return { value };
}

function fromJson(text: string, field: Field): Parsed {
  if (text.trim() === '') return { value: null };
  try {
    const value: unknown = JSON.parse(text);
    if (field.list && value !== null && !Array.isArray(value)) return { error: 'is a list: ["one", "two"]' };
    return { value };
  } catch (error) {
    return { error: `is not JSON: ${(error as Error).message}` };
  }
}

/** Record without what the server sets by itself. */
export function writable(table: Table, record: Rec): Rec {
  const allowed = new Set(table.fields.filter(({ readOnly }) => !readOnly).map(({ name }) => name));
  return Object.fromEntries(Object.entries(record).filter(([name, value]) => allowed.has(name) && value !== undefined));
}
