import { parseDate } from '../date.ts';
import { type Kind, NUMBERS, numberOrNull, SHOWN, textOrNull, unify, type Value } from './kinds.ts';

/** A function of the language. Unless it takes nulls, a null among its arguments makes the result null. */
export interface FunctionPlan {
  /** As it is written, for errors and documentation. */
  readonly usage: string;
  /** The kinds that each argument may have; the last one stands for all further ones when there may be more. */
  readonly takes: readonly (readonly Kind[])[];
  readonly least: number;
  readonly most: number;
  readonly takesNull?: true;
  /** The kind of the result; undefined when the arguments do not fit each other. */
  gives(kinds: readonly Kind[]): Kind | undefined;
  run(values: readonly Value[]): Value;
}

const MANY = 20;
const TEXT: readonly Kind[] = ['text', 'null'];
const together = (kinds: readonly Kind[]): Kind | undefined =>
  kinds.reduce<Kind | undefined>((a, b) => a && unify(a, b), 'null');

function ofText(usage: string, run: (text: string) => string): FunctionPlan {
  return {
    usage,
    takes: [TEXT],
    least: 1,
    most: 1,
    gives: () => 'text',
    run: ([text]) => textOrNull(run(text as string)),
  };
}

function ofNumber(usage: string, run: (value: number) => number): FunctionPlan {
  const whole = ([value]: readonly Value[]) => numberOrNull(run(value as number), 'int');
  return { usage, takes: [NUMBERS], least: 1, most: 1, gives: () => 'int', run: whole };
}

function ofNumbers(usage: string, run: (...values: number[]) => number): FunctionPlan {
  const most = (values: readonly Value[]) => run(...(values as number[]));
  return { usage, takes: [NUMBERS], least: 2, most: MANY, gives: together, run: most };
}

/** Halves go up. The digits are those that the number is written with, so that 1.005 becomes 1.01. */
function round(value: number, digits: number): number | null {
  if (!Number.isInteger(digits) || digits < 0 || digits > 15) return null;
  const written = String(value);
  if (written.includes('e-')) return Number(value.toFixed(digits)) + 0;
  // So large that it has no digits after the point.
  if (written.includes('e')) return value;
  return numberOrNull(Number(`${Math.round(Number(`${written}e${digits}`))}e-${digits}`), 'float');
}

export const FUNCTIONS: ReadonlyMap<string, FunctionPlan> = new Map<string, FunctionPlan>([
  ['lower', ofText('lower(text)', (text) => text.toLowerCase())],
  ['upper', ofText('upper(text)', (text) => text.toUpperCase())],
  ['trim', ofText('trim(text)', (text) => text.trim())],
  [
    'length',
    {
      usage: 'length(text) or length(list)',
      takes: [['text', 'texts', 'list', 'null']],
      least: 1,
      most: 1,
      gives: () => 'int',
      run: ([value]) => (typeof value === 'string' ? [...value].length : (value as readonly unknown[]).length),
    },
  ],
  [
    'round',
    {
      usage: 'round(number) or round(number, digits)',
      takes: [NUMBERS, ['int', 'null']],
      least: 1,
      most: 2,
      gives: ({ length }) => (length === 1 ? 'int' : 'float'),
      run: ([value, digits]) =>
        digits === undefined
          ? numberOrNull(Math.round(value as number), 'int')
          : round(value as number, digits as number),
    },
  ],
  ['floor', ofNumber('floor(number)', Math.floor)],
  ['ceil', ofNumber('ceil(number)', Math.ceil)],
  ['abs', { ...ofNumber('abs(number)', Math.abs), gives: together, run: ([value]) => Math.abs(value as number) }],
  ['min', ofNumbers('min(number, number, …)', Math.min)],
  ['max', ofNumbers('max(number, number, …)', Math.max)],
  [
    'concat',
    {
      usage: 'concat(value, …)',
      takes: [SHOWN],
      least: 1,
      most: MANY,
      takesNull: true,
      gives: () => 'text',
      run: (values) => textOrNull(values.filter((value) => value !== null).join('')),
    },
  ],
  [
    'coalesce',
    {
      usage: 'coalesce(value, value, …)',
      takes: [[...SHOWN, 'texts', 'list']],
      least: 2,
      most: MANY,
      takesNull: true,
      gives: together,
      run: (values) => values.find((value) => value !== null) ?? null,
    },
  ],
  [
    'join',
    {
      usage: "join(list of texts, ', ')",
      takes: [['texts', 'null'], TEXT],
      least: 2,
      most: 2,
      gives: () => 'text',
      run: ([texts, between]) =>
        textOrNull((texts as readonly unknown[]).filter((it) => it !== null).join(between as string)),
    },
  ],
  [
    'string',
    { usage: 'string(value)', takes: [SHOWN], least: 1, most: 1, gives: () => 'text', run: ([it]) => String(it) },
  ],
  [
    'date',
    {
      usage: "date('2025-01-31')",
      takes: [['text', 'date', 'null']],
      least: 1,
      most: 1,
      gives: () => 'date',
      run: ([text]) => parseDate(text as string) ?? null,
    },
  ],
]);
