import type { FieldPlan, FieldType, ScalarName } from '../schema/plan.ts';
import { isText } from '../schema/sdl/field.ts';
import type { TypeNames } from './type-names.ts';

/** A value that the server gives, or one that code gives to it. */
export type Direction = 'out' | 'in';

const PACKAGE = `'tablecast'`;

/** What the package exports under this name: a type of the schema may have the same. */
export function packageType(name: string): string {
  return `import(${PACKAGE}).${name}`;
}

/** As they are in JSON, and never null. */
const SCALARS: Readonly<Record<ScalarName, string>> = {
  ID: 'string',
  String: 'string',
  Int: 'number',
  Float: 'number',
  Boolean: 'boolean',
  Date: 'string',
  // Beyond ±(2^53−1) a string of digits.
  Long: 'number | string',
  JSON: packageType('JsonValue & {}'),
};

/** The type of one value. */
export function formatValue(type: FieldType, required: boolean, names: TypeNames, direction: Direction): string {
  // It has null among its values.
  if (!required && type.kind === 'scalar' && type.name === 'JSON') return packageType('JsonValue');
  const text = formatPresent(type, names, direction);
  return required ? text : `${text} | null`;
}

function formatPresent(type: FieldType, names: TypeNames, direction: Direction): string {
  switch (type.kind) {
    case 'scalar':
      return SCALARS[type.name];
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

/** Keys are exact in JavaScript, whatever their type. */
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

/** A name as a member: export names may have a hyphen. */
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

/** Lines of a documentation comment; none where nothing is said. */
function formatComment(notes: readonly (string | undefined)[]): string[] {
  const lines = notes.filter((note) => note !== undefined).flatMap((note) => note.split(/\r\n|[\r\n\u2028\u2029]/));
  const safe = lines.map((line) => line.replaceAll('*/', '*\\/').trimEnd());
  if (safe.length === 0) return [];
  if (safe.length === 1) return [`/** ${safe[0]} */`];
  return ['/**', ...safe.map((line) => (line === '' ? ' *' : ` * ${line}`)), ' */'];
}
