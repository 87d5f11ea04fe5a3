import type { Constraints, FieldPlan, FieldType, ScalarName } from '../schema/plan.ts';
import { isText } from '../schema/sdl/field.ts';
import type { TypeNames } from './type-names.ts';

/** `out` for values that the server returns, `in` for values that code passes to it. */
export type ValueDirection = 'out' | 'in';

/** Types of scalars in JSON, without null. */
const SCALARS: Readonly<Record<Exclude<ScalarName, 'JSON'>, string>> = {
  ID: 'string',
  String: 'string',
  Int: 'number',
  Float: 'number',
  Boolean: 'boolean',
  Date: 'string',
  // A string of digits beyond ±(2^53−1).
  Long: 'number | string',
};

/** Returns the TypeScript type of a value. */
export function formatValue(type: FieldType, required: boolean, names: TypeNames, direction: ValueDirection): string {
  // JSON includes null.
  if (!required && type.kind === 'scalar' && type.name === 'JSON') return names.imported('JsonValue');
  const text = formatPresent(type, names, direction);
  return required ? text : `${text} | null`;
}

function formatPresent(type: FieldType, names: TypeNames, direction: ValueDirection): string {
  switch (type.kind) {
    case 'scalar':
      return type.name === 'JSON' ? `${names.imported('JsonValue')} & {}` : SCALARS[type.name];
    case 'enum':
      return names.of(type.name);
    case 'list': {
      const item = formatValue(type.of, type.itemsRequired, names, direction);
      const list = `${/[ |&]/.test(item) ? `(${item})` : item}[]`;
      return direction === 'in' ? `readonly ${list}` : list;
    }
    case 'object':
      return direction === 'in' ? names.made(`${type.name}Input`) : names.of(type.name);
  }
}

/** Returns the type of a primary key. Numeric keys are always exact in JavaScript, so that Long is a number here. */
export function formatKey({ type }: FieldPlan): string {
  return isText(type) ? 'string' : 'number';
}

export interface TypeMember {
  readonly name: string;
  readonly type: string;
  readonly notes?: readonly (string | undefined)[];
  readonly isOptional?: boolean;
  readonly isReadonly?: boolean;
}

/** Quotes the name of a property where needed: export names may have a hyphen. */
function formatName(name: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
}

export function formatInterface(
  head: string,
  members: readonly TypeMember[],
  notes: readonly (string | undefined)[],
): string {
  const lines = members.flatMap(({ name, type, notes: own = [], isOptional = false, isReadonly = false }) => [
    ...formatComment(own).map((line) => `  ${line}`),
    `  ${isReadonly ? 'readonly ' : ''}${formatName(name)}${isOptional ? '?' : ''}: ${type};`,
  ]);
  return [...formatComment(notes), `${head} {`, ...lines, '}'].join('\n');
}

export function formatEnum(name: string, values: readonly string[]): string {
  return `export type ${name} = ${values.map((value) => `'${value}'`).join(' | ')};`;
}

/** Returns the lines of a doc comment; none without notes. */
function formatComment(notes: readonly (string | undefined)[]): string[] {
  const lines = notes.filter((note) => note !== undefined).flatMap((note) => note.split(/\r\n|[\r\n\u2028\u2029]/));
  const safe = lines.map((line) => line.replaceAll('*/', '*\\/').trimEnd());
  if (safe.length === 0) return [];
  if (safe.length === 1) return [`/** ${safe[0]} */`];
  return ['/**', ...safe.map((line) => (line === '' ? ' *' : ` * ${line}`)), ' */'];
}

/** Words of JSON Schema for the arguments of `@constraint`, in the order in which they are shown. */
const CONSTRAINT_WORDS: Readonly<Record<keyof Constraints, string>> = {
  minLength: 'minLength',
  maxLength: 'maxLength',
  pattern: 'pattern',
  format: 'format',
  min: 'minimum',
  max: 'maximum',
  exclusiveMin: 'exclusiveMinimum',
  exclusiveMax: 'exclusiveMaximum',
  multipleOf: 'multipleOf',
  minItems: 'minItems',
  maxItems: 'maxItems',
  uniqueItems: 'uniqueItems',
};

/** Returns the constraints as tags of a doc comment: `@maxLength 80`. */
export function constraintTags(constraints: Constraints = {}): readonly string[] {
  const names = Object.keys(CONSTRAINT_WORDS) as (keyof Constraints)[];
  return names
    .filter((name) => constraints[name] !== undefined)
    .map((name) => `@${CONSTRAINT_WORDS[name]} ${constraints[name]}`);
}
