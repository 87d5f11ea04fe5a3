import type { AuthConfig } from '../../config/config.ts';
import {
  ACTIONS,
  type FieldPlan,
  type FieldType,
  isOffered,
  type Plan,
  type RelationPlan,
  type RuleText,
  type TablePlan,
} from '../../schema/plan.ts';
import { formatType } from '../../schema/sdl/types.ts';
import { publicName } from '../parameters.ts';

export interface ServedSchema {
  readonly plan: Plan;
  /** Hash of tables and fields: another one means another schema. */
  readonly planTag: string;
  readonly auth: AuthConfig | undefined;
  /** Text of the schema files as the server has read them. */
  readonly files: readonly SchemaFile[];
}

export interface SchemaFile {
  /** Path inside the application folder. */
  readonly path: string;
  readonly text: string;
}

/** Describes the schema of an application as JSON: all tables, also those without a URL, with fields, rules and indexes. */
export function describeSchema({ plan, planTag, auth, files }: ServedSchema): object {
  const enums = new Map<string, readonly string[]>();
  const types = new Map<string, readonly FieldPlan[]>();
  for (const { fields } of plan.tables) for (const { type } of fields) collectTypes(type, enums, types);
  return {
    app_id: plan.appId,
    schema: planTag,
    admin_role: auth?.adminRole ?? null,
    tables: plan.tables.map(describeTable),
    enums: Object.fromEntries(enums),
    types: Object.fromEntries([...types].map(([name, fields]) => [name, fields.map(describeField)])),
    files,
  };
}

function collectTypes(
  type: FieldType,
  enums: Map<string, readonly string[]>,
  types: Map<string, readonly FieldPlan[]>,
) {
  if (type.kind === 'list') collectTypes(type.of, enums, types);
  else if (type.kind === 'enum') enums.set(type.name, type.values);
  else if (type.kind === 'object' && !types.has(type.name)) {
    types.set(type.name, type.fields);
    for (const field of type.fields) collectTypes(field.type, enums, types);
  }
}

function describeTable(table: TablePlan): object {
  const { name, exportName, description, database, table: stored, primaryKey, fields, relations } = table;
  return withoutUndefined({
    name: publicName(table),
    type: name,
    has_url: exportName !== undefined,
    docs: description,
    stored: `${database}.${stored}`,
    primary_key: primaryKey.name,
    transports: [...table.transports],
    switched_off: table.switchedOff.map(({ transport, by }) => ({ transport, by })),
    audited: table.audited,
    expiration_ms: table.expiration,
    renamed_from: table.renamedFrom,
    fields: fields.map(describeField),
    relations: relations.map(describeRelation),
    indexes: [
      ...fields.flatMap(({ name: field, indexed, unique, fulltext }) =>
        indexed || unique || fulltext ? [{ fields: [field], unique, fulltext }] : [],
      ),
      ...table.compositeIndexes.map(({ fields: parts, unique }) => ({
        fields: parts.map((field) => field.name),
        unique,
        fulltext: false,
      })),
    ],
    checks: table.checks.map(({ rule, message }) => withoutUndefined({ rule, message })),
    access: describeAccess(table),
  });
}

function describeField(field: FieldPlan): object {
  const { type, required, constraints, access, computed, defaultClaim } = field;
  return withoutUndefined({
    name: field.name,
    type: `${formatType(type)}${required ? '!' : ''}`,
    kind: type.kind,
    required,
    docs: field.description,
    default: field.default,
    default_claim: defaultClaim === undefined ? undefined : `$auth.${defaultClaim}`,
    constraints,
    indexed: field.indexed,
    unique: field.unique,
    fulltext: field.fulltext,
    hidden: field.hidden,
    stamp: field.stamp,
    computed: computed?.from,
    expires_at: field.expiresAt,
    renamed_from: field.renamedFrom,
    access: access && withoutUndefined({ read: access.read?.map(textOf), write: access.write?.map(textOf) }),
  });
}

function describeRelation({ name, description, target, many, from, to }: RelationPlan): object {
  return withoutUndefined({
    name,
    docs: description,
    target: publicName(target),
    many,
    from: from?.name,
    to: to?.name,
  });
}

function describeAccess(table: TablePlan): object {
  const { access, public: open } = table;
  return withoutUndefined({
    public: ACTIONS.filter((action) => open.has(action)),
    offered: ACTIONS.filter((action) => isOffered(table, action)),
    rules: Object.fromEntries([...(access?.rules ?? [])].map(([action, rules]) => [action, rules.map(textOf)])),
    account: access?.account && { field: access.account.field.name, claim: `$auth.${access.account.claim}` },
  });
}

function textOf({ text }: RuleText): string {
  return text;
}

function withoutUndefined(part: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(part).filter(([, value]) => value !== undefined));
}
