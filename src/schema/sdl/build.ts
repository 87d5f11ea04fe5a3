import { relative } from 'node:path';
import type { AppConfig } from '../../config/config.ts';
import { deepFreeze } from '../../config/deep-freeze.ts';
import { Report } from '../../config/files/report.ts';
import { diagnoseFile, readSource, SourceFile } from '../../config/files/source.ts';
import { AUDIT_NAME } from '../names.ts';
import type { Plan, RuleText, TablePlan } from '../plan.ts';
import { readDirectives } from './directives.ts';
import { makeFields } from './fields.ts';
import { type Declarations, parseSources, TABLE_HINT } from './parse.ts';
import { linkRelations, type TableLinks, type UnlinkedTable } from './relations.ts';
import { checkRenames } from './renamed-from.ts';
import { SchemaReport } from './schema-report.ts';
import { type AppSwitches, checkNested, makeTable } from './tables.ts';
import { isTable, TypeResolver } from './types.ts';

const MAX_SCHEMA_BYTES = 4 * 1024 ** 2;

/** Reports every error in access rules. Passed in, since a layer above knows their language. */
export type CheckRules = (tables: readonly TablePlan[], report: (rule: RuleText, message: string) => void) => void;

const NO_CHECK: CheckRules = () => {};

export interface SchemaSource {
  /** Name of the file in diagnostics. */
  readonly file: string;
  readonly text: string;
}

/**
 * Reads the schema files of an application; diagnostics name them relative to `root`. Throws a StartError with every error of
 * every file.
 */
export function loadPlan(app: AppConfig, root: string = app.dir, checkRules: CheckRules = NO_CHECK): Plan {
  const report = new Report();
  const sources: SourceFile[] = [];
  for (const path of app.schemas) {
    const shown = relative(root, path);
    const source = readSource(path, { shown, maxBytes: MAX_SCHEMA_BYTES });
    if (source instanceof SourceFile) sources.push(source);
    else report.add(source ?? diagnoseFile(shown, 'does not exist'));
  }
  // The types of a missing file would be reported at every use.
  report.throwIfAny();
  return makePlan(sources, app, checkRules);
}

/** Pure: returns the frozen plan of the sources. Throws a StartError with every error. */
export function makePlan(sources: readonly SchemaSource[], app: AppSwitches, checkRules: CheckRules = NO_CHECK): Plan {
  const report = new Report();
  const files = sources.map((source) =>
    source instanceof SourceFile ? source : new SourceFile(source.file, source.text),
  );
  const schemaReport = new SchemaReport(report, files);
  const declarations = parseSources(files, schemaReport);
  const tables = makeTables(declarations, app, schemaReport);
  if (!report.hasMistakes && tables.length === 0) {
    report.add(
      diagnoseFile(files[0]?.file ?? 'schema', 'no type has @table, so there is nothing to serve', TABLE_HINT),
    );
  }
  // A field with an error would be reported again by every rule that names it.
  if (!report.hasMistakes) checkRules(tables, (rule, message) => schemaReport.wrongAt(rule.at, { message }));
  report.throwIfAny();
  return deepFreeze({ appId: app.appId, tables });
}

function makeTables(declarations: Declarations, app: AppSwitches, report: SchemaReport): readonly TablePlan[] {
  // After a syntax error every type of that file is missing; reporting each use would bury the cause.
  if (report.hasSyntaxErrors) return [];
  const types: TypeResolver = new TypeResolver(declarations, report, (node) => makeFields(node, types, report));
  checkEnums(declarations, report);
  checkRenames([...declarations.objects.values()].filter(isTable), { kind: 'type', fold: foldName }, report);
  const unlinked: UnlinkedTable[] = [];
  const broken = new Set<string>();
  for (const [name, node] of declarations.objects) {
    for (const { name: of } of node.interfaces ?? []) {
      report.wrong(of, 'interfaces are not supported', 'write the fields into the type');
    }
    if (isTable(node)) {
      const links: TableLinks = { relations: [], references: [], referrers: [] };
      const table = makeTable(node, { app, types, report, links });
      if (table === undefined) broken.add(name);
      else unlinked.push({ node, table, links });
    } else {
      checkNested(node, report);
      types.resolveObject(name);
    }
  }
  linkRelations(unlinked, broken, report);
  const tables = unlinked.map(({ table }) => table);
  checkNames(tables, report);
  return tables;
}

function foldName(name: string): string {
  return name.toLowerCase();
}

function checkEnums({ enums }: Declarations, report: SchemaReport): void {
  for (const node of enums.values()) {
    readDirectives(node.directives, 'ENUM', report);
    checkRenames(node.values ?? [], { kind: 'value' }, report);
    const seen = new Set<string>();
    if ((node.values ?? []).length === 0) report.wrong(node.name, `enum "${node.name.value}" has no values`);
    for (const { name, directives } of node.values ?? []) {
      readDirectives(directives, 'ENUM_VALUE', report);
      if (seen.has(name.value)) report.wrong(name, `value "${name.value}" is declared twice`);
      seen.add(name.value);
    }
  }
}

/** Reports tables with the same URL or the same stored name, which is case-insensitive. */
function checkNames(tables: readonly TablePlan[], report: SchemaReport): void {
  const stored = new Map<string, TablePlan>();
  const exported = new Map<string, TablePlan>();
  const isAudited = tables.some(({ audited }) => audited);
  for (const table of tables) {
    const storedName = `${table.database}.${table.table}`;
    const sameStored = stored.get(storedName.toLowerCase());
    if (sameStored !== undefined) {
      report.wrongAt(table.at, {
        message: `tables "${sameStored.name}" and "${table.name}" are both stored as "${storedName}"`,
        hint: 'give one of them another @table(table: "…")',
      });
    }
    stored.set(storedName.toLowerCase(), table);
    if (table.exportName === undefined) continue;
    const sameExport = exported.get(table.exportName);
    if (sameExport !== undefined) {
      report.wrongAt(table.at, {
        message: `tables "${sameExport.name}" and "${table.name}" are both exported as "${table.exportName}"`,
        hint: 'give one of them another @export(name: "…")',
      });
    }
    exported.set(table.exportName, table);
    if (isAudited && table.exportName === AUDIT_NAME) {
      report.wrongAt(table.at, {
        message: `"${AUDIT_NAME}" is used by the server itself`,
        hint: 'the audit log is there: take another name, @export(name: "…"), or remove every @audit',
      });
    }
  }
}
