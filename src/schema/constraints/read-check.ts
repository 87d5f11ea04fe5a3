import type { ConstValueNode } from 'graphql';
import { suggest } from '../../config/files/suggest.ts';
import { type CompiledExpression, ExpressionError, KIND_NAMES, kindOf, readExpression } from '../expression/index.ts';
import type { CheckPlan, TablePlan } from '../plan.ts';
import { locateInFile } from '../sdl/computed.ts';
import type { DirectiveUse } from '../sdl/directives.ts';
import type { TableFields } from '../sdl/field.ts';
import { locate, type SchemaReport } from '../sdl/schema-report.ts';
import { formatType } from '../sdl/types.ts';

const MAX_TABLE_CHECKS = 100;

/** Returns the rules of `@check` of a type. A rule with an error is reported and left out. */
export function readChecks(use: DirectiveUse | undefined, table: TableFields, report: SchemaReport): CheckPlan[] {
  if (use === undefined) return [];
  const uses = [use, ...use.more];
  const excess = uses[MAX_TABLE_CHECKS];
  if (excess !== undefined) report.wrong(excess.node, `a type has at most ${MAX_TABLE_CHECKS} rules of @check`);
  const known = new Set<string>();
  return uses.slice(0, MAX_TABLE_CHECKS).flatMap((one) => {
    const check = readCheck(one, table, report);
    if (check === undefined) return [];
    if (known.has(check.signature)) {
      report.wrong(one.node, `the rule "${check.rule}" is given twice`);
      return [];
    }
    known.add(check.signature);
    return [check];
  });
}

/** Compiles a rule that has been checked, to be run on the values of `uses`. */
export function compileCheck({ rule }: CheckPlan, { name, fields }: Pick<TablePlan, 'name' | 'fields'>) {
  return readRule(rule, { typeName: name, fields, relations: new Set() });
}

function readCheck(use: DirectiveUse, table: TableFields, report: SchemaReport): CheckPlan | undefined {
  const written = use.value('rule');
  const rule = use.text('rule');
  if (written === undefined || rule === undefined) return undefined;
  try {
    const { uses } = readRule(rule, table);
    const kinds = uses.map((name) => {
      const used = table.fields.find((field) => field.name === name);
      return `${name}: ${used && kindOf(used.type)}`;
    });
    const message = use.text('message');
    const signature = `${rule.trim()} (${kinds.join(', ')})`;
    return { rule: rule.trim(), ...(message === undefined ? {} : { message }), uses, signature, at: locate(use.node) };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    reportError(written, error, report);
    return undefined;
  }
}

function readRule(rule: string, table: TableFields): CompiledExpression {
  const compiled = readExpression(rule, findKind(table), { nulls: 'unknown' });
  const { kind, uses } = compiled;
  if (kind !== 'boolean') {
    const hint = 'compare fields: endsAt > startsAt';
    throw new ExpressionError(0, `a rule must be a boolean, and this one is ${KIND_NAMES[kind]}`, hint);
  }
  if (uses.length === 0) throw new ExpressionError(0, 'a rule names a field of the type', 'such as endsAt > startsAt');
  return compiled;
}

function findKind({ typeName, fields, relations }: TableFields) {
  return (name: string, at: number) => {
    const field = fields.find((candidate) => candidate.name === name);
    if (field === undefined) {
      if (relations.has(name)) throw new ExpressionError(at, `field "${name}" is a relation, which is not stored`);
      const names = fields.map((known) => known.name);
      throw new ExpressionError(at, `type "${typeName}" has no stored field "${name}"`, suggest(name, names));
    }
    const kind = kindOf(field.type);
    if (kind !== undefined) return kind;
    throw new ExpressionError(at, `a rule cannot look into "${name}" of type ${formatType(field.type)}`);
  };
}

function reportError(written: ConstValueNode, error: ExpressionError, report: SchemaReport): void {
  const { at, exact } = locateInFile(written, error.at);
  const message = exact ? error.message : `${error.message} (character ${error.at + 1} of the rule)`;
  report.wrongAt(at, { message, ...(error.hint === undefined ? {} : { hint: error.hint }) });
}
