import { type ConstValueNode, Kind, type ObjectTypeDefinitionNode } from 'graphql';
import type { SourceLocation } from '../../config/files/diagnostic.ts';
import { suggest } from '../../config/files/suggest.ts';
import {
  type CompiledExpression,
  ExpressionError,
  KIND_NAMES,
  kindOf,
  readExpression,
  type Kind as ValueKind,
} from '../expression/index.ts';
import type { ComputedPlan, FieldPlan, FieldType, TablePlan } from '../plan.ts';
import type { TableFields } from './field.ts';
import { locate, type SchemaReport } from './schema-report.ts';
import { formatType } from './types.ts';

/** Returns the fields with their expressions checked against the other fields. Errors are reported. */
export function checkComputed(
  node: ObjectTypeDefinitionNode,
  table: TableFields,
  report: SchemaReport,
): readonly FieldPlan[] {
  return table.fields.map((field) => {
    const written = field.computed === undefined ? undefined : findExpression(node, field.name);
    if (field.computed === undefined || written === undefined) return field;
    try {
      return { ...field, computed: makeComputed(field, field.computed.from, table) };
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error;
      const { at, exact } = locateInFile(written, error.at);
      const message = exact ? error.message : `${error.message} (character ${error.at + 1} of the expression)`;
      report.wrongAt(at, { message, ...(error.hint === undefined ? {} : { hint: error.hint }) });
      return field;
    }
  });
}

/** Compiles an expression that has been checked, to be run on the values of `uses`. */
export function compileComputed({ from }: ComputedPlan, { name, fields }: Pick<TablePlan, 'name' | 'fields'>) {
  return readExpression(from, fieldKinds(undefined, { typeName: name, fields, relations: new Set() }));
}

function makeComputed(field: FieldPlan, from: string, table: TableFields): ComputedPlan {
  const compiled = readExpression(from, fieldKinds(field, table));
  checkFit(field, compiled);
  const kinds = compiled.uses.map((name) => {
    const used = table.fields.find((candidate) => candidate.name === name);
    return `${name}: ${used && kindOf(used.type)}`;
  });
  return { from, uses: compiled.uses, signature: `${from.trim()} (${kinds.join(', ')})` };
}

/** Resolves the names in an expression. `self` is the computed field, which its own expression must not name. */
function fieldKinds(self: FieldPlan | undefined, { typeName, fields, relations }: TableFields) {
  return (name: string, at: number): ValueKind => {
    const field = fields.find((candidate) => candidate.name === name);
    if (field === undefined) {
      if (relations.has(name)) throw new ExpressionError(at, `field "${name}" is a relation, which is not stored`);
      const names = fields.filter(({ computed }) => computed === undefined).map((known) => known.name);
      throw new ExpressionError(at, `type "${typeName}" has no stored field "${name}"`, suggest(name, names));
    }
    if (field.name === self?.name) throw new ExpressionError(at, `field "${name}" is computed from itself`);
    if (field.computed !== undefined) {
      throw new ExpressionError(at, `field "${name}" is computed itself`, 'write its expression here, in brackets');
    }
    const kind = kindOf(field.type);
    if (kind !== undefined) return kind;
    throw new ExpressionError(at, `an expression cannot look into "${name}" of type ${formatType(field.type)}`);
  };
}

/** Kinds of expressions that each type of field accepts. */
const ACCEPTED: Readonly<Record<string, readonly ValueKind[]>> = {
  ID: ['text', 'date'],
  String: ['text', 'date'],
  Int: ['int'],
  Long: ['int'],
  Float: ['int', 'float'],
  Boolean: ['boolean'],
  Date: ['date'],
};

function checkFit({ name, type }: FieldPlan, { kind }: CompiledExpression): void {
  const accepted = acceptedKinds(type);
  if (kind === 'null' || accepted.length === 0 || accepted.includes(kind)) return;
  const message = `the expression gives ${KIND_NAMES[kind]}, and "${name}" is ${formatType(type)}`;
  throw new ExpressionError(0, message, hintOf(accepted, kind));
}

function acceptedKinds(type: FieldType): readonly ValueKind[] {
  if (type.kind === 'enum') return ['text'];
  return type.kind === 'scalar' ? (ACCEPTED[type.name] ?? []) : [];
}

function hintOf(accepted: readonly ValueKind[], kind: ValueKind): string | undefined {
  if (accepted.includes('int') && kind === 'float') return 'make it whole: round(…), floor(…) or ceil(…)';
  if (accepted.includes('text') && (kind === 'int' || kind === 'float' || kind === 'boolean')) return 'write string(…)';
  return accepted.includes('date') && kind === 'text' ? 'write date(…)' : undefined;
}

/** True for types whose values can be computed: all but lists, objects and JSON. */
export function canBeComputed(type: FieldType): boolean {
  return acceptedKinds(type).length > 0;
}

function findExpression(node: ObjectTypeDefinitionNode, field: string): ConstValueNode | undefined {
  const directives = node.fields?.find(({ name }) => name.value === field)?.directives ?? [];
  const computed = directives.find(({ name }) => name.value === 'computed');
  return computed?.arguments?.find(({ name }) => name.value === 'from')?.value;
}

/** Finds a character of the expression in the file; only the start of the string when it is written with escapes. */
export function locateInFile(node: ConstValueNode, offset: number): { at: SourceLocation; exact: boolean } {
  const at = locate(node);
  const isPlain =
    node.kind === Kind.STRING &&
    node.block !== true &&
    node.loc?.source.body.slice(node.loc.start + 1, node.loc.end - 1) === node.value;
  return isPlain ? { at: { ...at, column: at.column + 1 + offset }, exact: true } : { at, exact: false };
}
