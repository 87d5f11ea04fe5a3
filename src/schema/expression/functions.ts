import { parseDate } from '../date.ts';
import { type Kind, NUMBERS, numberOrNull, PRINTABLE, textOrNull, unify, type Value } from './kinds.ts';

/** Function of the expression language. Unless it accepts nulls, a null argument makes the result null. */
export interface FunctionPlan {
  /** Example of a call, for errors and documentation. */
  readonly usage: string;
  /** Kinds that each argument may have; the last entry stands for all further arguments. */
  readonly accepts: readonly (readonly Kind[])[];
  readonly minArguments: number;
  readonly maxArguments: number;
  readonly acceptsNull?: true;
  /** Returns the kind of the result; undefined when the arguments do not fit each other. */
  resultKind(kinds: readonly Kind[]): Kind | undefined;
  run(values: readonly Value[]): Value;
}

const MAX_ARGUMENTS = 20;
const TEXT: readonly Kind[] = ['text', 'null'];
const commonKind = (kinds: readonly Kind[]): Kind | undefined =>
  kinds.reduce<Kind | undefined>((a, b) => a && unify(a, b), 'null');

function ofText(usage: string, run: (text: string) => string): FunctionPlan {
  return {
    usage,
    accepts: [TEXT],
    minArguments: 1,
    maxArguments: 1,
    resultKind: () => 'text',
    run: ([text]) => textOrNull(run(text as string)),
  };
}

function ofNumber(usage: string, run: (value: number) => number): FunctionPlan {
  const whole = ([value]: readonly Value[]) => numberOrNull(run(value as number), 'int');
  return { usage, accepts: [NUMBERS], minArguments: 1, maxArguments: 1, resultKind: () => 'int', run: whole };
}

function ofNumbers(usage: string, run: (...values: number[]) => number): FunctionPlan {
  const spread = (values: readonly Value[]) => run(...(values as number[]));
  return {
    usage,
    accepts: [NUMBERS],
    minArguments: 2,
    maxArguments: MAX_ARGUMENTS,
    resultKind: commonKind,
    run: spread,
  };
}

/** Rounds halves up, by the decimal digits of the number, so that 1.005 becomes 1.01. */
function round(value: number, digits: number): number | null {
  if (!Number.isInteger(digits) || digits < 0 || digits > 15) return null;
  const written = String(value);
  if (written.includes('e-')) return Number(value.toFixed(digits)) + 0;
  // A number this large has no digits after the point.
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
      accepts: [['text', 'texts', 'list', 'null']],
      minArguments: 1,
      maxArguments: 1,
      resultKind: () => 'int',
      run: ([value]) => (typeof value === 'string' ? [...value].length : (value as readonly unknown[]).length),
    },
  ],
  [
    'round',
    {
      usage: 'round(number) or round(number, digits)',
      accepts: [NUMBERS, ['int', 'null']],
      minArguments: 1,
      maxArguments: 2,
      resultKind: ({ length }) => (length === 1 ? 'int' : 'float'),
      run: ([value, digits]) =>
        digits === undefined
          ? numberOrNull(Math.round(value as number), 'int')
          : round(value as number, digits as number),
    },
  ],
  ['floor', ofNumber('floor(number)', Math.floor)],
  ['ceil', ofNumber('ceil(number)', Math.ceil)],
  [
    'abs',
    { ...ofNumber('abs(number)', Math.abs), resultKind: commonKind, run: ([value]) => Math.abs(value as number) },
  ],
  ['min', ofNumbers('min(number, number, …)', Math.min)],
  ['max', ofNumbers('max(number, number, …)', Math.max)],
  [
    'concat',
    {
      usage: 'concat(value, …)',
      accepts: [PRINTABLE],
      minArguments: 1,
      maxArguments: MAX_ARGUMENTS,
      acceptsNull: true,
      resultKind: () => 'text',
      run: (values) => textOrNull(values.filter((value) => value !== null).join('')),
    },
  ],
  [
    'coalesce',
    {
      usage: 'coalesce(value, value, …)',
      accepts: [[...PRINTABLE, 'texts', 'list']],
      minArguments: 2,
      maxArguments: MAX_ARGUMENTS,
      acceptsNull: true,
      resultKind: commonKind,
      run: (values) => values.find((value) => value !== null) ?? null,
    },
  ],
  [
    'join',
    {
      usage: "join(list of strings, ', ')",
      accepts: [['texts', 'null'], TEXT],
      minArguments: 2,
      maxArguments: 2,
      resultKind: () => 'text',
      run: ([texts, between]) =>
        textOrNull((texts as readonly unknown[]).filter((it) => it !== null).join(between as string)),
    },
  ],
  [
    'string',
    {
      usage: 'string(value)',
      accepts: [PRINTABLE],
      minArguments: 1,
      maxArguments: 1,
      resultKind: () => 'text',
      run: ([it]) => String(it),
    },
  ],
  [
    'date',
    {
      usage: "date('2025-01-31')",
      accepts: [['text', 'date', 'null']],
      minArguments: 1,
      maxArguments: 1,
      resultKind: () => 'date',
      run: ([text]) => parseDate(text as string) ?? null,
    },
  ],
]);
