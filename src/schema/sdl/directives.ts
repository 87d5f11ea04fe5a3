import type { ConstValueNode } from 'graphql';
import { type ConstDirectiveNode, type DirectiveDefinitionNode, Kind, parse, print } from 'graphql';
import { findMeant } from '../../config/files/suggest.ts';
import { FORMATS } from '../constraints/formats.ts';
import { ACTIONS, ON_DELETE } from '../plan.ts';
import { canonicalValue, checkTransport } from '../spellings.ts';
import type { SchemaReport } from './schema-report.ts';

/** Directives and scalars that a schema may use without declaring them. Editors can load this text. */
export const DIRECTIVES_SDL = `
"A stored table. expiration: seconds, or a duration such as \\"7d\\"; a record is removed this long after its last write."
directive @table(database: String, table: String, expiration: Literal) on OBJECT
"""
Gives the table a URL. rest, sse, ws: transports, which are on unless they are false; public: actions that need no login.
graphql, mqtt, mcp and grpc are not supported and may only be false.
"""
directive @export(
  name: String, rest: Boolean, sse: Boolean, ws: Boolean, public: [Action!]
  graphql: Boolean, mqtt: Boolean, mcp: Boolean, grpc: Boolean
) on OBJECT
"An index over several fields, in this order. unique: no two records have the same values in all of them."
directive @compositeIndex(fields: [String!]!, unique: Boolean) repeatable on OBJECT
directive @primaryKey on FIELD_DEFINITION
"An index for filters and sorting; with type: \\"fulltext\\" an index of words, for =ft=."
directive @indexed(type: String) on FIELD_DEFINITION
directive @unique on FIELD_DEFINITION
"Set by the server when the record is created."
directive @createdTime on FIELD_DEFINITION
"Set by the server at every change of the record."
directive @updatedTime on FIELD_DEFINITION
"The record is removed after this time."
directive @expiresAt on FIELD_DEFINITION
"""
Stands for records of another table. from: the field here with their key; to: their field with the key of this record.
onDelete, with from: the key is checked, and when its record is deleted, this one is deleted too (CASCADE), has null in place
of the key (SET_NULL), or prevents it (RESTRICT).
"""
directive @relationship(from: String, to: String, onDelete: OnDelete) on FIELD_DEFINITION
"Stored and written like any other field, but never returned."
directive @hidden on FIELD_DEFINITION
"Computed from other fields when the record is written: from: \\"price * count\\"."
directive @computed(from: String!) on FIELD_DEFINITION
directive @default(value: Literal!) on FIELD_DEFINITION
"""
Values that the field may have, as in JSON Schema; words about single values hold for the items of a list. pattern: a regular
expression without lookaround and backreferences. format: ${[...FORMATS.keys()].join(', ')}.
"""
directive @constraint(
  minLength: Int, maxLength: Int, pattern: String, format: String
  min: Float, max: Float, exclusiveMin: Float, exclusiveMax: Float, multipleOf: Float
  minItems: Int, maxItems: Int, uniqueItems: Boolean
) on FIELD_DEFINITION
"A condition on the fields of a record, which holds after every write: rule: \\"endsAt > startsAt\\". message: for clients."
directive @check(rule: String!, message: String) repeatable on OBJECT
"""
Access rules: roles, or conditions on the record and the caller, such as "ownerId==$auth.sub". One of several rules has to
hold. A field has read and write, a type the other actions. public: as in @export.
"""
directive @access(public: [Action!], read: Rules, create: Rules, update: Rules, delete: Rules, subscribe: Rules, publish: Rules, write: Rules) on OBJECT | FIELD_DEFINITION
"Each record belongs to the account in this field; callers reach the records of the account in their claim."
directive @account(field: String!, claim: String) on OBJECT
"Every change of a record is logged with its actor, for the administrators of the application."
directive @audit on OBJECT
"""
The name that the type, field or enum value had before: what is stored goes on under the new one. Repeated, it has the
names before that one. A server that has started with it needs it no more.
"""
directive @renamedFrom(name: String!) repeatable on OBJECT | FIELD_DEFINITION | ENUM_VALUE
"A point in time, ISO 8601."
scalar Date
"A 64-bit integer."
scalar Long
"Any JSON value."
scalar JSON
"A string, or a list of strings."
scalar Rules
"A literal of the expected type."
scalar Literal
"${ACTIONS.join(', ')}"
scalar Action
"${ON_DELETE.join(', ')}"
scalar OnDelete
`;

type DirectiveLocation = 'OBJECT' | 'FIELD_DEFINITION' | 'ENUM' | 'ENUM_VALUE' | 'ARGUMENT_DEFINITION';

const LOCATION_NAMES: Readonly<Record<DirectiveLocation, string>> = {
  OBJECT: 'a type',
  FIELD_DEFINITION: 'a field',
  ENUM: 'an enum',
  ENUM_VALUE: 'a value of an enum',
  ARGUMENT_DEFINITION: 'an argument',
};

interface DirectiveDefinition {
  readonly locations: readonly string[];
  readonly repeatable: boolean;
  /** Types of the arguments as `DIRECTIVES_SDL` has them: `String`, `Literal!`. */
  readonly args: ReadonlyMap<string, string>;
}

function define(node: DirectiveDefinitionNode): DirectiveDefinition {
  return {
    locations: node.locations.map(({ value }) => value),
    repeatable: node.repeatable,
    args: new Map((node.arguments ?? []).map(({ name, type }) => [name.value, print(type)])),
  };
}

const DEFINITIONS: ReadonlyMap<string, DirectiveDefinition> = new Map(
  parse(DIRECTIVES_SDL, { noLocation: true }).definitions.flatMap((node) =>
    node.kind === Kind.DIRECTIVE_DEFINITION ? [[node.name.value, define(node)] as const] : [],
  ),
);

export const DIRECTIVE_NAMES: readonly string[] = [...DEFINITIONS.keys()];

/** True when the directive is there, even misspelled. */
export function hasDirective(nodes: readonly ConstDirectiveNode[] | undefined, name: string): boolean {
  const isMeant = (written: string) => !DEFINITIONS.has(written) && findMeant(written, DIRECTIVE_NAMES) === name;
  return nodes?.some((node) => node.name.value === name || isMeant(node.name.value)) ?? false;
}

/** Use of a directive, with its arguments checked against the definition. */
export class DirectiveUse {
  readonly node: ConstDirectiveNode;
  /** Further uses of a repeatable directive. */
  readonly more: DirectiveUse[] = [];
  readonly #values: ReadonlyMap<string, ConstValueNode>;

  constructor(node: ConstDirectiveNode, values: ReadonlyMap<string, ConstValueNode>) {
    this.node = node;
    this.#values = values;
  }

  value(name: string): ConstValueNode | undefined {
    return this.#values.get(name);
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name);
    return value?.kind === Kind.STRING ? value.value : undefined;
  }

  flag(name: string): boolean | undefined {
    const value = this.#values.get(name);
    return value?.kind === Kind.BOOLEAN ? value.value : undefined;
  }
}

/** Returns the directives of one node by name. Unknown, repeated, misplaced and mistyped ones are reported and left out. */
export function readDirectives(
  nodes: readonly ConstDirectiveNode[] | undefined,
  location: DirectiveLocation,
  report: SchemaReport,
): ReadonlyMap<string, DirectiveUse> {
  const uses = new Map<string, DirectiveUse>();
  for (const node of nodes ?? []) {
    const name = node.name.value;
    const definition = DEFINITIONS.get(name);
    if (definition === undefined) {
      const meant = findMeant(name, DIRECTIVE_NAMES);
      report.wrong(node, `unknown directive "@${name}"`, meant && `did you mean "@${meant}"?`);
      // Treated as the directive that was meant, so that one typo is not reported as two errors.
      if (meant !== undefined && !uses.has(meant)) uses.set(meant, new DirectiveUse(node, new Map()));
    } else if (!definition.locations.includes(location)) {
      const right = definition.locations.includes('OBJECT') ? LOCATION_NAMES.OBJECT : LOCATION_NAMES.FIELD_DEFINITION;
      report.wrong(node, `@${name} belongs on ${right}, not on ${LOCATION_NAMES[location]}`);
    } else if (definition.repeatable && uses.has(name)) {
      uses.get(name)?.more.push(new DirectiveUse(node, readArguments(node, definition, report)));
    } else if (uses.has(name)) {
      report.wrong(node, `@${name} is given twice`);
    } else {
      uses.set(name, new DirectiveUse(node, readArguments(node, definition, report)));
    }
  }
  return uses;
}

function readArguments(node: ConstDirectiveNode, definition: DirectiveDefinition, report: SchemaReport) {
  const directive = `@${node.name.value}`;
  const values = new Map<string, ConstValueNode>();
  const seen = new Set<string>();
  for (const argument of node.arguments ?? []) {
    const name = argument.name.value;
    const type = definition.args.get(name);
    if (type === undefined) {
      const none = definition.args.size === 0 ? `${directive} takes no arguments` : undefined;
      report.wrong(
        argument,
        `unknown argument "${name}" of ${directive}`,
        report.suggest(name, definition.args.keys()) ?? none,
      );
    } else if (seen.has(name)) {
      report.wrong(argument, `argument "${name}" of ${directive} is given twice`);
    } else if (isOfType(canonicalValue(argument.value, type), type, report)) {
      values.set(name, canonicalValue(argument.value, type));
      if (node.name.value === 'export') checkTransport(argument, report);
    } else {
      report.wrong(argument.value, `argument "${name}" of ${directive} expects ${EXPECTED[type]}`);
    }
    seen.add(name);
  }
  for (const [name, type] of definition.args) {
    if (type.endsWith('!') && !seen.has(name)) {
      report.wrong(node, `${directive} needs the argument "${name}"`, `write ${directive}(${name}: …)`);
    }
  }
  return values;
}

const EXPECTED: Readonly<Record<string, string>> = {
  String: 'a string in double quotes',
  'String!': 'a string in double quotes',
  Boolean: 'true or false',
  Int: 'an integer',
  Float: 'a number',
  '[Action!]': 'a list such as [read, create]',
  Rules: 'a string in double quotes, or a list of strings',
  '[String!]!': 'a list such as ["a", "b"]',
};

function isOfType(value: ConstValueNode, type: string, report: SchemaReport): boolean {
  if (type === 'String' || type === 'String!') return value.kind === Kind.STRING;
  if (type === 'Rules') return isRules(value);
  if (type === 'Boolean') return value.kind === Kind.BOOLEAN;
  if (type === 'Int') return value.kind === Kind.INT;
  if (type === 'Float') return value.kind === Kind.INT || value.kind === Kind.FLOAT;
  if (type === '[String!]!') return value.kind === Kind.LIST && value.values.every(({ kind }) => kind === Kind.STRING);
  if (type !== '[Action!]') return true;
  if (value.kind !== Kind.LIST) return false;
  for (const item of value.values) {
    const name = readAction(item);
    if (name === undefined) report.wrong(item, 'expected an action', `one of ${ACTIONS.join(', ')}`);
    else if (!ACTIONS.some((action) => action === name)) {
      report.wrong(item, `unknown action "${name}"`, report.suggest(name, ACTIONS) ?? `one of ${ACTIONS.join(', ')}`);
    }
  }
  return true;
}

function isRules(value: ConstValueNode): boolean {
  if (value.kind !== Kind.LIST) return value.kind === Kind.STRING;
  return value.values.every((item) => item.kind === Kind.STRING);
}

/** Returns the name of an action, which may be written with or without quotes. */
export function readAction(value: ConstValueNode): string | undefined {
  return value.kind === Kind.ENUM || value.kind === Kind.STRING ? value.value : undefined;
}
