import { type ConstValueNode, Kind, type ObjectTypeDefinitionNode } from 'graphql';
import type { AppConfig } from '../../config/config.ts';
import { parseDuration } from '../../config/keys/units.ts';
import { beginsAsOwn } from '../../config/reserved-paths.ts';
import { readChecks } from '../constraints/read-check.ts';
import { checkExportName, checkStoredName } from '../names.ts';
import {
  ACTIONS,
  type AccessPlan,
  type Action,
  type FieldPlan,
  type SwitchedOff,
  type TablePlan,
  TRANSPORTS,
  type TransportName,
} from '../plan.ts';
import { readAccess, readAccount } from './access.ts';
import { makeCompositeIndexes } from './composite-index.ts';
import { checkComputed } from './computed.ts';
import { type DirectiveUse, readAction, readDirectives } from './directives.ts';
import { makeFields } from './fields.ts';
import { isRelation, type TableLinks } from './relations.ts';
import { readRenamedFrom } from './renamed-from.ts';
import { locate, type SchemaReport } from './schema-report.ts';
import { MAX_TABLE_FIELDS, type TypeResolver } from './types.ts';

export type AppSwitches = Pick<AppConfig, 'appId' | TransportName> & Partial<Pick<AppConfig, 'auth'>>;

const DEFAULT_DATABASE = 'data';
// Publishing stores nothing and validates little, so that it is public only when it is listed.
const DEFAULT_PUBLIC: readonly Action[] = ACTIONS.filter((action) => action !== 'publish');
const MAX_EXPIRATION_MS = 100 * 365 * 86_400_000;

interface TableContext {
  readonly app: AppSwitches;
  readonly types: TypeResolver;
  readonly report: SchemaReport;
  /** Lists of the plan, which are filled when all tables are known. */
  readonly links: TableLinks;
}

/** Returns the table of a type with @table. Undefined without a usable primary key, which has been reported. */
export function makeTable(node: ObjectTypeDefinitionNode, context: TableContext): TablePlan | undefined {
  const { app, types, report, links } = context;
  const uses = readDirectives(node.directives, 'OBJECT', report);
  const fields = checkComputed(node, describeFields(node, makeFields(node, types, report)), report);
  checkFields(node, fields, { types, report });
  const primaryKey = findPrimaryKey(node, fields, report);
  const compositeIndexes = makeIndexes(node, uses.get('compositeIndex'), fields, report);
  const checks = readChecks(uses.get('check'), describeFields(node, fields), report);
  const stored = uses.get('table');
  const expiration = readExpiration(stored?.value('expiration'), report);
  const exported = uses.get('export');
  const access = readTableAccess(node, uses, { fields, report });
  const description = node.description?.value;
  if (primaryKey === undefined) return undefined;
  const renamedFrom = readRenamedFrom(uses.get('renamedFrom'));
  return {
    name: node.name.value,
    ...(renamedFrom === undefined ? {} : { renamedFrom }),
    ...(description === undefined ? {} : { description }),
    database: storedName(stored, 'database', report) ?? DEFAULT_DATABASE,
    table: storedName(stored, 'table', report) ?? node.name.value,
    exportName: exported && exportName(exported, node.name.value, report),
    ...readTransports(exported, app),
    public: readPublic(exported, { app, access, report, uses }),
    ...(access === undefined ? {} : { access }),
    fields,
    visibleFields: fields.filter(({ hidden }) => !hidden),
    ...links,
    primaryKey,
    compositeIndexes,
    checks,
    ...(expiration === undefined ? {} : { expiration }),
    audited: uses.has('audit'),
    at: locate(node),
  };
}

function makeIndexes(
  node: ObjectTypeDefinitionNode,
  use: DirectiveUse | undefined,
  fields: readonly FieldPlan[],
  report: SchemaReport,
) {
  if (use === undefined) return [];
  return makeCompositeIndexes([use, ...use.more], describeFields(node, fields), report);
}

function describeFields(node: ObjectTypeDefinitionNode, fields: readonly FieldPlan[]) {
  const relations = new Set((node.fields ?? []).filter(isRelation).map(({ name }) => name.value));
  return { typeName: node.name.value, fields, relations };
}

/** Reports directives that are valid only on a table. */
export function checkNested(node: ObjectTypeDefinitionNode, report: SchemaReport): void {
  const uses = readDirectives(node.directives, 'OBJECT', report);
  for (const name of ['compositeIndex', 'check', 'audit', 'renamedFrom']) {
    const use = uses.get(name);
    if (use === undefined) continue;
    report.wrong(use.node, `@${name} needs @table: type "${node.name.value}" is not a table`);
  }
  const exported = uses.get('export');
  if (exported !== undefined) {
    const hint = 'add @table, or remove @export from a type that is only nested';
    report.wrong(exported.node, `@export needs @table: type "${node.name.value}" is not a table`, hint);
  }
}

function findPrimaryKey(node: ObjectTypeDefinitionNode, fields: readonly FieldPlan[], report: SchemaReport) {
  const [first, ...more] = fields.filter((field) => field.primaryKey);
  // A key of an invalid type has been reported and is not among the fields.
  const isWritten = node.fields?.some((field) => field.directives?.some(({ name }) => name.value === 'primaryKey'));
  if (first === undefined && isWritten !== true) {
    const message = `type "${node.name.value}" has no @primaryKey`;
    report.wrong(node.name, message, 'mark one field: id: ID! @primaryKey');
  }
  for (const { at } of more) {
    report.wrongAt(at, {
      message: `type "${node.name.value}" has more than one @primaryKey`,
      hint: `the first one is "${first?.name}"`,
    });
  }
  return first;
}

function checkFields(
  node: ObjectTypeDefinitionNode,
  fields: readonly FieldPlan[],
  { types, report }: Pick<TableContext, 'types' | 'report'>,
): void {
  const [first, ...more] = fields.filter((field) => field.expiresAt);
  for (const { at } of more) {
    report.wrongAt(at, {
      message: `type "${node.name.value}" has more than one @expiresAt`,
      hint: `the first one is "${first?.name}"`,
    });
  }
  if (types.sizeOf(fields) > MAX_TABLE_FIELDS) {
    report.wrong(
      node.name,
      `table "${node.name.value}" has more than ${MAX_TABLE_FIELDS} fields with those of its fields`,
    );
  }
}

function storedName(use: DirectiveUse | undefined, argument: string, report: SchemaReport): string | undefined {
  const name = use?.text(argument);
  const node = use?.value(argument);
  const wrong = name === undefined ? undefined : checkStoredName(name);
  if (wrong !== undefined && node !== undefined) report.wrong(node, wrong.message, wrong.hint);
  return name;
}

function exportName(use: DirectiveUse, typeName: string, report: SchemaReport): string {
  const name = use.text('name') ?? typeName;
  // A type that begins with "_" is reported as a type.
  const wrong = name === typeName && beginsAsOwn(name) ? undefined : checkExportName(name);
  if (wrong !== undefined) report.wrong(use.value('name') ?? use.node, wrong.message, wrong.hint);
  return name;
}

/** Returns milliseconds. A number without a unit is seconds, as in other systems with this directive. */
function readExpiration(node: ConstValueNode | undefined, report: SchemaReport): number | undefined {
  if (node === undefined) return undefined;
  const hint = 'write seconds, or a duration: expiration: "24h"';
  const seconds = node.kind === Kind.INT ? { value: Number(node.value) * 1000 } : undefined;
  const reading = seconds ?? (node.kind === Kind.STRING ? parseDuration(node.value) : { message: 'not a duration' });
  if ('message' in reading) {
    report.wrong(node, `expiration: ${reading.message}`, reading.hint ?? hint);
  } else if (reading.value <= 0 || reading.value > MAX_EXPIRATION_MS) {
    report.wrong(node, 'expiration must be longer than nothing and at most 100 years', hint);
  } else {
    return reading.value;
  }
  return undefined;
}

function readTransports(use: DirectiveUse | undefined, app: AppSwitches) {
  const transports = new Set<TransportName>();
  const switchedOff: SwitchedOff[] = [];
  for (const transport of use === undefined ? [] : TRANSPORTS) {
    if (use?.flag(transport) === false) switchedOff.push({ transport, by: `@export(${transport}: false)` });
    else if (app[transport] === false) switchedOff.push({ transport, by: `${transport}: false in config.yaml` });
    else transports.add(transport);
  }
  return { transports, switchedOff };
}

function readTableAccess(
  node: ObjectTypeDefinitionNode,
  uses: ReadonlyMap<string, DirectiveUse>,
  context: { readonly fields: readonly FieldPlan[]; readonly report: SchemaReport },
): AccessPlan | undefined {
  const rules = readAccess(uses, context.report);
  const account = readAccount(node, uses, context);
  return rules === undefined && account === undefined ? undefined : { rules: rules ?? new Map(), account };
}

interface PublicContext {
  readonly app: AppSwitches;
  readonly access: AccessPlan | undefined;
  readonly report: SchemaReport;
  readonly uses: ReadonlyMap<string, DirectiveUse>;
}

/** Returns the public actions. Without `public`, a table is open only when neither rules nor authentication exist. */
function readPublic(use: DirectiveUse | undefined, { app, access, report, uses }: PublicContext): ReadonlySet<Action> {
  if (use === undefined) return new Set();
  const other = uses.get('access')?.value('public');
  const written = use.value('public') ?? other;
  if (other !== undefined && other !== written) {
    report.wrong(other, 'public is in @export and in @access', 'write it once: @export(public: [read])');
  }
  if (written?.kind !== Kind.LIST) {
    const isOpen = access === undefined && (app.auth === undefined || app.auth === 'none');
    return new Set(isOpen ? DEFAULT_PUBLIC : []);
  }
  if (access?.account !== undefined && written.values.length > 0) {
    report.wrong(written, 'public and @account exclude each other', 'an anonymous caller has no account');
  }
  const names = new Set(written.values.map(readAction));
  return new Set(ACTIONS.filter((action) => names.has(action)));
}
