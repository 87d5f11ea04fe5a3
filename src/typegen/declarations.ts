import { operatorsOf } from '../schema/constraints/operators.ts';
import type { FieldPlan, FieldType, Plan, RelationPlan, TablePlan } from '../schema/plan.ts';
import { isServerSet, isText, mustBeSent, notesOf } from '../schema/sdl/field.ts';
import { TypeNames } from './type-names.ts';
import {
  constraintTags,
  formatEnum,
  formatInterface,
  formatKey,
  formatValue,
  type TypeMember,
  type ValueDirection,
} from './type-text.ts';

type EnumType = FieldType & { readonly kind: 'enum' };
type ObjectType = FieldType & { readonly kind: 'object' };

/** Beginning of a file of declarations. A file that begins with it may be overwritten. */
export const DECLARATIONS_MARK = '// Made by `tablecast types`';

/** Types of all tables, each once, in the order of their first use. */
export interface SchemaTypes {
  readonly tables: ReadonlySet<TablePlan>;
  readonly enums: ReadonlyMap<string, EnumType>;
  readonly objects: ReadonlyMap<string, ObjectType>;
}

/**
 * Returns TypeScript declarations of an application's exported tables, as the text of a module: for each table interfaces
 * of a record, of a new record and of a patch, and `Tables`, which types them in routes and hooks. Deterministic: the same
 * schema gives the same text on every machine.
 */
export function makeDeclarations(plan: Plan): string {
  const found = collectTypes(plan);
  const names = namesOf(found, 'tablecast');
  const exported = plan.tables.filter(({ exportName }) => exportName !== undefined);
  const parts = [
    `${DECLARATIONS_MARK} from the schema: what is written here is lost when it is made again.`,
    ...declareTypes(found, names),
    // Within the module declaration the names of the package would shadow those of the schema. No type begins with "_".
    formatInterface(
      'interface _Tables',
      exported.map((table) => describeHandle(table, names)),
      [],
    ),
    `declare module 'tablecast' {\n  interface Tables extends _Tables {}\n}`,
    'export {};',
  ];
  return `${parts.join('\n\n')}\n`;
}

/** Names of all declarations of these types; `module` is the module of the package that they refer to. */
export function namesOf({ tables, enums, objects }: SchemaTypes, module: string): TypeNames {
  return new TypeNames([...[...tables].map(({ name }) => name), ...enums.keys(), ...objects.keys()], module);
}

/** Declares enums, nested types, records, and the input of writes of the exported tables. */
export function declareTypes({ tables, enums, objects }: SchemaTypes, names: TypeNames): string[] {
  const exported = [...tables].filter(({ exportName }) => exportName !== undefined);
  return [
    ...[...enums.values()].map(({ name, values }) => formatEnum(names.of(name), values)),
    ...[...objects.values()].flatMap((type) => declareObject(type, names)),
    ...[...tables].map((table) => declareRecord(table, names)),
    ...exported.flatMap((table) => declareInputs(table, names)),
  ];
}

/** Collects the types of the exported tables and of those that their relations lead to. */
export function collectTypes({ tables: all }: Plan): SchemaTypes {
  const tables = new Set(all.filter(({ exportName }) => exportName !== undefined));
  const enums = new Map<string, EnumType>();
  const objects = new Map<string, ObjectType>();
  const add = (type: FieldType): void => {
    if (type.kind === 'list') add(type.of);
    else if (type.kind === 'enum') enums.set(type.name, type);
    else if (type.kind === 'object' && !objects.has(type.name)) {
      objects.set(type.name, type);
      for (const field of type.fields) add(field.type);
    }
  };
  // Iterating over a set includes the entries that are added meanwhile.
  for (const table of tables) {
    for (const { type } of table.fields) add(type);
    for (const { target } of table.relations) tables.add(target);
  }
  return { tables, enums, objects };
}

function declareObject({ name, fields }: ObjectType, names: TypeNames): string[] {
  return [
    formatInterface(
      `export interface ${names.of(name)}`,
      fields.map((field) => describe(field, names, 'out')),
      [],
    ),
    formatInterface(
      `export interface ${names.made(`${name}Input`)}`,
      fields.map((field) => describeInput(field, names)),
      [`${name} as it is sent.`],
    ),
  ];
}

/** Declares a record as the server returns it. */
function declareRecord({ name, description, fields, relations }: TablePlan, names: TypeNames): string {
  const members = [
    ...fields
      .filter(({ hidden }) => !hidden)
      .map((field) => ({
        ...describe(field, names, 'out'),
        isOptional: field.access?.read !== undefined,
        isReadonly: isServerSet(field),
      })),
    ...relations.map((relation) => describeRelation(relation, names)),
  ];
  return formatInterface(`export interface ${names.of(name)}`, members, [description]);
}

function declareInputs({ name, fields, primaryKey }: TablePlan, names: TypeNames): string[] {
  const sent = fields.filter((field) => !isServerSet(field));
  // The server generates keys that are strings.
  const hasMadeKey = isText(primaryKey.type);
  const make = (head: string, note: string, options: { readonly keyRequired: boolean }) =>
    formatInterface(
      `export interface ${head}`,
      sent.map((field) => ({
        ...describeInput(field, names),
        ...(field === primaryKey ? { isOptional: !options.keyRequired } : {}),
      })),
      [note],
    );
  const changes = sent.filter((field) => field !== primaryKey);
  return [
    make(names.made(`New${name}`, `New ${name}`), `A new record of ${name}.`, { keyRequired: !hasMadeKey }),
    ...(hasMadeKey
      ? []
      : [
          make(names.made(`Whole${name}`, `Whole ${name}`), `A record of ${name} whose key is given separately.`, {
            keyRequired: false,
          }),
        ]),
    formatInterface(
      `export interface ${names.made(`${name}Patch`)}`,
      changes.map((field) => describeChange(field, names)),
      [`Fields of ${name} that are replaced, or changed by an operator.`],
    ),
  ];
}

function describeHandle({ name, exportName = name, primaryKey }: TablePlan, names: TypeNames): TypeMember {
  const given = [
    names.of(name),
    names.made(`New${name}`, `New ${name}`),
    names.made(`${name}Patch`),
    formatKey(primaryKey),
    ...(isText(primaryKey.type) ? [] : [names.made(`Whole${name}`, `Whole ${name}`)]),
  ];
  return { name: exportName, type: `${names.imported('TableHandle')}<${given.join(', ')}>` };
}

function describe(field: FieldPlan, names: TypeNames, direction: ValueDirection): TypeMember {
  const { name, type, required, primaryKey, access } = field;
  return {
    name,
    type: primaryKey ? formatKey(field) : formatValue(type, required, names, direction),
    notes: [
      ...notesOf(field),
      direction === 'out' && access?.read !== undefined ? 'Left out for callers who may not read it.' : undefined,
      ...constraintTags(field.constraints),
    ],
  };
}

/** Optional, since a relation is present only when `select` names it. */
function describeRelation({ name, description, target, many }: RelationPlan, names: TypeNames): TypeMember {
  const type = many ? `${names.of(target.name)}[]` : `${names.of(target.name)} | null`;
  return { name, type, notes: [description, 'Present when `select` names it.'], isOptional: true };
}

/** Describes a field of a patch: a value, or an object with an operator. A field of type JSON has no operators. */
function describeChange(field: FieldPlan, names: TypeNames): TypeMember {
  const { type, required } = field;
  const member = { ...describe(field, names, 'in'), isOptional: true };
  if (type.kind === 'scalar' && type.name === 'JSON') return member;
  const operand = type.kind === 'list' ? formatItems(type, names) : formatValue(type, true, names, 'in');
  const operations = operatorsOf(type).map((operator) => `{ ${operator}: ${operand} }`);
  return { ...member, type: [member.type, ...operations, ...(required ? [] : ['{ $unset: true }'])].join(' | ') };
}

/** Returns the type of one item, or of a list of them. */
function formatItems({ of, itemsRequired }: FieldType & { kind: 'list' }, names: TypeNames): string {
  const item = formatValue(of, itemsRequired, names, 'in');
  const isOne = of.kind === 'list' || (of.kind === 'scalar' && of.name === 'JSON');
  return isOne ? item : `${item} | readonly ${/[ |&]/.test(item) ? `(${item})` : item}[]`;
}

/** Describes a field of a new record. */
function describeInput(field: FieldPlan, names: TypeNames): TypeMember {
  const member = describe(field, names, 'in');
  const fallback = (field.default ?? null) === null ? undefined : `Default: ${JSON.stringify(field.default)}`;
  return { ...member, notes: [fallback, ...(member.notes ?? [])], isOptional: !mustBeSent(field) };
}
