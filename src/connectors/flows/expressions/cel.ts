import { TypeError as CelTypeError, Environment, EvaluationError, ParseError } from '@marcbachmann/cel-js';
import type { Reading, Wrong } from '../../../config/keys/units.ts';
import { type FlowData, PermanentError } from '../../connector.ts';
import { countNesting, isTooLarge, readsMember } from './bounds.ts';
import { beginMatches, registerMatches, replaceMatches } from './matches.ts';
import { toPlain } from './plain.ts';

/** Variables of an expression. */
export interface CelScope {
  readonly input: FlowData;
  readonly auth: { readonly sub: string | null; readonly roles: readonly string[] };
  readonly now: Date;
}

/** Returns plain JSON. Throws CelError. */
export type CelExpression = (scope: CelScope) => unknown;

/** An expression failed for an event. A retry would fail again. */
export class CelError extends PermanentError {}

/** Required type of the value; `any` is any JSON value. */
export type Wanted = 'bool' | 'object' | 'any';

/** Length of an expression. */
const MAX_EXPRESSION_CHARS = 4096;

const LIMITS = { maxAstNodes: 2000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200, maxCallArguments: 16 };

const FITTING: Readonly<Record<Exclude<Wanted, 'any'>, RegExp>> = { bool: /^(?:bool|dyn)$/, object: /^(?:map\b|dyn)/ };
const TYPE_NAMES = { bool: 'true or false', object: 'an object', any: 'a value' } as const;

/** Operators for a double and an integer: numbers of JSON are doubles, literals of expressions are integers. */
const OPERATORS = [
  ['+', (a: number, b: number) => a + b],
  ['-', (a: number, b: number) => a - b],
  ['*', (a: number, b: number) => a * b],
  ['/', (a: number, b: number) => a / b],
  ['%', (a: number, b: number) => a % b],
] as const;

let environment: Environment | undefined;

/** Environment of all flows, created once: that is costly. */
function sharedEnvironment(): Environment {
  if (environment !== undefined) return environment;
  const created = new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS })
    .registerVariable('input', 'map')
    .registerVariable({ name: 'auth', schema: { sub: 'dyn', roles: 'list<string>' } })
    .registerVariable('now', 'google.protobuf.Timestamp')
    .registerFunction('string(google.protobuf.Timestamp): string', (time: Date) => time.toISOString());
  for (const [operator, compute] of OPERATORS) {
    const handler = (left: unknown, right: unknown) => compute(Number(left), Number(right));
    created.registerOperator(`double ${operator} int`, handler).registerOperator(`int ${operator} double`, handler);
    if (operator === '%') created.registerOperator('double % double', handler);
  }
  registerMatches(created);
  environment = created;
  return created;
}

/** Compiles an expression of config.yaml, or returns its error. */
export function compileExpression(text: string, wanted: Wanted): Reading<CelExpression> {
  if (text.length > MAX_EXPRESSION_CHARS) {
    return { message: `an expression has at most ${MAX_EXPRESSION_CHARS} characters` };
  }
  try {
    const program = sharedEnvironment().parse(text);
    const refused = replaceMatches(program.ast);
    if (refused !== undefined) return refused;
    const checked = program.check();
    if (!checked.valid) return describe(checked.error);
    const type = checked.type ?? 'dyn';
    if (wanted !== 'any' && !FITTING[wanted].test(type)) {
      return { message: `expected an expression that gives ${TYPE_NAMES[wanted]}, this one gives ${type}` };
    }
    const nesting = countNesting(program.ast);
    return { value: (scope) => evaluate({ text, wanted, nesting, run: program }, scope) };
  } catch (error) {
    return describe(error);
  }
}

/** True for an expression that reads this member of the input. */
export function readsInput(text: string, name: string): boolean {
  try {
    return readsMember(sharedEnvironment().parse(text).ast, name);
  } catch {
    return false;
  }
}

/** A node of an expression, as far as its value is literal. */
export type ExpressionNode =
  | { readonly op: 'value'; readonly args: unknown }
  | { readonly op: 'list'; readonly args: readonly ExpressionNode[] }
  | { readonly op: 'map'; readonly args: readonly (readonly [ExpressionNode, ExpressionNode])[] }
  | { readonly op: 'other' };

/** Parses an expression to its nodes; undefined for an invalid one. */
export function parseExpression(text: string): ExpressionNode | undefined {
  try {
    return sharedEnvironment().parse(text).ast as ExpressionNode;
  } catch {
    return undefined;
  }
}

interface Compiled {
  readonly text: string;
  readonly wanted: Wanted;
  /** Nesting depth of macros over lists. */
  readonly nesting: number;
  readonly run: (scope: Record<string, unknown>) => unknown;
}

function evaluate({ text, wanted, nesting, run }: Compiled, scope: CelScope): unknown {
  let value: unknown;
  try {
    if (isTooLarge(scope.input, nesting)) throw new Error('the input has too many items for macros inside each other');
    beginMatches();
    value = toPlain(run({ ...scope }));
  } catch (error) {
    throw new CelError(`${shorten(text)}: ${summaryOf(error)}`, { cause: error });
  }
  if (fits(value, wanted)) return value;
  throw new CelError(`${shorten(text)}: the result is not ${TYPE_NAMES[wanted]}`);
}

function fits(value: unknown, wanted: Wanted): boolean {
  if (wanted === 'bool') return typeof value === 'boolean';
  return wanted === 'any' || (typeof value === 'object' && value !== null && !Array.isArray(value));
}

function describe(error: unknown): Wrong {
  const at = isLibraryError(error) && error.range !== undefined ? ` (at character ${error.range.start + 1})` : '';
  return { message: `${summaryOf(error)}${at}`, hint: hintFor(error) };
}

function hintFor(error: unknown): string {
  const summary = summaryOf(error);
  const unknown = /^Unknown variable: (\S+)/.exec(summary)?.[1];
  if (unknown === undefined) return 'expressions are CEL, such as input.price > 100';
  return `there are input, auth and now: did you mean input.${unknown}, or the string "${unknown}" in quotes of its own?`;
}

function summaryOf(error: unknown): string {
  if (isLibraryError(error)) return error.summary;
  return error instanceof Error ? error.message : String(error);
}

function isLibraryError(error: unknown): error is ParseError | EvaluationError | CelTypeError {
  return error instanceof ParseError || error instanceof EvaluationError || error instanceof CelTypeError;
}

function shorten(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
