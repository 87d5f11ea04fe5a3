import { type FieldDefinitionNode, Kind, type ObjectTypeDefinitionNode } from 'graphql';
import { checkDefault, readConstraints } from '../constraints/read-constraint.ts';
import { checkName } from '../names.ts';
import type { FieldPlan, FieldType, ScalarName } from '../plan.ts';
import { readFieldAccess } from './access.ts';
import { isPlain } from './composite-index.ts';
import { canBeComputed } from './computed.ts';
import { readDefault, readDefaultClaim } from './default-value.ts';
import { type DirectiveUse, readDirectives } from './directives.ts';
import { checkedKeys, isRelation } from './relations.ts';
import { checkRenames, readRenamedFrom } from './renamed-from.ts';
import { locate, type SchemaReport } from './schema-report.ts';
import { formatType, isTable, type TypeResolver } from './types.ts';

// SQLite and PostgreSQL both have a limit below 2,000 columns.
const MAX_TYPE_FIELDS = 1000;

type DirectiveUses = ReadonlyMap<string, DirectiveUse>;

/** Returns the fields of a type in their order. Errors are reported; a field without a usable type is left out. */
export function makeFields(node: ObjectTypeDefinitionNode, types: TypeResolver, report: SchemaReport): FieldPlan[] {
  const written = node.fields ?? [];
  if (written.length === 0) report.wrong(node.name, `type "${node.name.value}" has no fields`);
  if (written.length > MAX_TYPE_FIELDS) {
    report.wrong(node.name, `type "${node.name.value}" has more than ${MAX_TYPE_FIELDS} fields`);
    return [];
  }
  checkRenames(written, { kind: 'field', fold: (name) => name.toLowerCase() }, report);
  const seen = new Map<string, string>();
  const keys = isTable(node) ? checkedKeys(written) : NO_KEYS;
  return written.flatMap((field) => {
    const name = field.name.value;
    const before = seen.get(name.toLowerCase());
    if (before !== undefined) {
      const message =
        before === name
          ? `field "${name}" is declared twice`
          : `fields "${before}" and "${name}" differ only in upper and lower case`;
      report.wrong(field.name, message);
      return [];
    }
    seen.set(name.toLowerCase(), name);
    if (isTable(node) && isRelation(field)) {
      checkFieldName(field, true, report);
      return [];
    }
    return makeField(field, { isColumn: isTable(node), keyOf: keys.get(name), types, report }) ?? [];
  });
}

const NO_KEYS: ReadonlyMap<string, string> = new Map();

interface FieldContext {
  /** True for a field of a table, false for a field of a nested object. */
  readonly isColumn: boolean;
  /** Type whose records' keys the field has, where they are checked: it has an index, by which the records of a key are found. */
  readonly keyOf: string | undefined;
  readonly types: TypeResolver;
  readonly report: SchemaReport;
}

function makeField(node: FieldDefinitionNode, context: FieldContext): FieldPlan | undefined {
  const { isColumn, keyOf, types, report } = context;
  checkFieldName(node, isColumn, report);
  const uses = readDirectives(node.directives, 'FIELD_DEFINITION', report);
  if (node.arguments !== undefined && node.arguments.length > 0) {
    report.wrong(node.arguments[0] ?? node, 'a field has no arguments');
  }
  const type = types.resolve(node);
  if (!isColumn) refuseColumnDirectives(uses, report);
  if (type === undefined) return undefined;
  const required = node.type.kind === Kind.NON_NULL_TYPE;
  if (isColumn) checkUses({ node, uses, type, required }, report);
  const value = uses.get('default')?.value('value');
  const defaultClaim = value === undefined || !isColumn ? undefined : readDefaultClaim(value, { type }, report);
  const isLiteral = value !== undefined && defaultClaim === undefined;
  const defaultValue = isLiteral ? readDefault(value, { type, required }, report) : undefined;
  const constraints = readConstraints(uses.get('constraint'), { name: node.name.value, type }, report);
  const description = node.description?.value;
  const stamp = stampOf(uses);
  const access = isColumn ? readFieldAccess(uses, report) : undefined;
  // Expressions are checked when all fields of the type are known.
  const from = uses.get('computed')?.text('from');
  const renamedFrom = readRenamedFrom(uses.get('renamedFrom'));
  const field: FieldPlan = {
    name: node.name.value,
    ...(renamedFrom === undefined ? {} : { renamedFrom }),
    type,
    required,
    ...(description === undefined ? {} : { description }),
    ...(defaultValue === undefined ? {} : { default: defaultValue }),
    ...(constraints === undefined ? {} : { constraints }),
    ...(defaultClaim === undefined ? {} : { defaultClaim }),
    primaryKey: isColumn && uses.has('primaryKey'),
    ...(keyOf === undefined ? {} : { keyOf }),
    // The primary key has an index of its own and is unique.
    indexed: isColumn && !uses.has('primaryKey') && (keyOf !== undefined || (uses.has('indexed') && !isFulltext(uses))),
    unique: isColumn && uses.has('unique') && !uses.has('primaryKey'),
    fulltext: isColumn && isFulltext(uses),
    ...(isColumn && stamp !== undefined ? { stamp } : {}),
    ...(isColumn && from !== undefined ? { computed: { from, uses: [], signature: '' } } : {}),
    expiresAt: isColumn && uses.has('expiresAt'),
    hidden: isColumn && uses.has('hidden'),
    ...(access === undefined ? {} : { access }),
    at: locate(node),
  };
  if (value !== undefined) checkDefault(value, field, report);
  return field;
}

function stampOf(uses: DirectiveUses): FieldPlan['stamp'] {
  if (uses.has('createdTime')) return 'created';
  return uses.has('updatedTime') ? 'updated' : undefined;
}

function checkFieldName({ name }: FieldDefinitionNode, isColumn: boolean, report: SchemaReport): void {
  const wrong = checkName(name.value, 'field');
  if (wrong !== undefined) report.wrong(name, wrong.message, wrong.hint);
  // On a channel this property distinguishes an envelope from a record.
  if (isColumn && name.value === 'message_type') report.wrong(name, 'field "message_type" is a reserved name');
}

/** Directives that a field of a nested type may have. */
const NESTED_DIRECTIVES: ReadonlySet<string> = new Set(['default', 'constraint', 'renamedFrom']);

function refuseColumnDirectives(uses: DirectiveUses, report: SchemaReport): void {
  for (const [name, { node }] of uses) {
    if (!NESTED_DIRECTIVES.has(name)) report.wrong(node, `@${name} belongs on a field of a type with @table`);
  }
}

interface WrittenField {
  readonly node: FieldDefinitionNode;
  readonly uses: DirectiveUses;
  readonly type: FieldType;
  readonly required: boolean;
}

const KEY_TYPES: readonly ScalarName[] = ['ID', 'String', 'Int', 'Long'];
const STAMP_TYPES: readonly ScalarName[] = ['Date', 'String', 'Int', 'Float', 'Long'];
const EXPIRY_TYPES: readonly ScalarName[] = ['Date', 'Long', 'Float', 'String'];

function checkUses(field: WrittenField, report: SchemaReport): void {
  const { node, uses, type, required } = field;
  if (uses.has('primaryKey')) {
    const isKey = requireType(field, 'primaryKey', { allowed: KEY_TYPES, report });
    const written = `${node.name.value}: ${formatType(type)}!`;
    if (isKey && !required) report.wrong(node.type, '@primaryKey must be required', `write ${written}`);
  }
  for (const name of ['createdTime', 'updatedTime']) requireType(field, name, { allowed: STAMP_TYPES, report });
  requireType(field, 'expiresAt', { allowed: EXPIRY_TYPES, report });
  for (const name of ['indexed', 'unique']) {
    const use = uses.get(name);
    if (use !== undefined && use.value('type') === undefined && !isPlain(field)) {
      report.wrong(use.node, `@${name} does not work on type ${formatType(type)}`, 'only on single values');
    }
  }
  checkIndexType(field, report);
  checkComputedType(field, report);
  for (const [first, second] of CONTRADICTIONS) {
    const use = uses.get(second);
    if (use !== undefined && uses.has(first)) report.wrong(use.node, `@${first} and @${second} exclude each other`);
  }
}

const FULLTEXT = 'fulltext';

function isFulltext(uses: DirectiveUses): boolean {
  return uses.get('indexed')?.text('type') === FULLTEXT;
}

function checkIndexType({ uses, type }: WrittenField, report: SchemaReport): void {
  const use = uses.get('indexed');
  const written = use?.value('type');
  const kind = use?.text('type');
  if (written === undefined || kind === undefined) return;
  const item = type.kind === 'list' ? type.of : type;
  if (kind !== FULLTEXT) {
    const hint = report.suggest(kind, [FULLTEXT]) ?? `leave it out, or write "${FULLTEXT}" for an index of words`;
    report.wrong(written, `unknown type of index "${kind}"`, hint);
  } else if (item.kind !== 'scalar' || item.name !== 'String') {
    const message = `@indexed(type: "${FULLTEXT}") does not work on type ${formatType(type)}`;
    report.wrong(written, message, 'use String or [String]');
  }
}

function checkComputedType({ node, uses, type, required }: WrittenField, report: SchemaReport): void {
  const use = uses.get('computed');
  if (use === undefined || uses.has('primaryKey')) return;
  if (!canBeComputed(type)) {
    report.wrong(use.node, `@computed does not work on type ${formatType(type)}`, 'only on single values');
  } else if (required) {
    const message = 'a computed field cannot be required: where its expression has no value it is null';
    report.wrong(node.type, message, `write ${node.name.value}: ${formatType(type)}`);
  }
}

const CONTRADICTIONS: readonly (readonly [string, string])[] = [
  ['primaryKey', 'default'],
  ['primaryKey', 'computed'],
  ['primaryKey', 'hidden'],
  ['primaryKey', 'createdTime'],
  ['primaryKey', 'updatedTime'],
  ['primaryKey', 'expiresAt'],
  ['createdTime', 'updatedTime'],
  ['createdTime', 'expiresAt'],
  ['updatedTime', 'expiresAt'],
  ['createdTime', 'constraint'],
  ['updatedTime', 'constraint'],
  ['createdTime', 'default'],
  ['updatedTime', 'default'],
  ['createdTime', 'computed'],
  ['updatedTime', 'computed'],
  ['default', 'computed'],
];

function requireType(
  { uses, type, node }: WrittenField,
  name: string,
  { allowed, report }: { allowed: readonly ScalarName[]; report: SchemaReport },
): boolean {
  if (!uses.has(name)) return true;
  if (type.kind === 'scalar' && allowed.includes(type.name)) return true;
  report.wrong(node.type, `@${name} does not work on type ${formatType(type)}`, `use ${allowed.join(', ')}`);
  return false;
}
