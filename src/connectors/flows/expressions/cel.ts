import { Environment, EvaluationError, ParseError, TypeError as TypeMistake } from '@marcbachmann/cel-js';
import type { Reading, Wrong } from '../../../config/keys/units.ts';
import { type FlowData, PermanentError } from '../../connector.ts';
import { checkCalls, countNesting, isTooLarge, readsMember } from './bounds.ts';
import { toPlain } from './plain.ts';

/** What an expression may speak of. */
export interface CelScope {
  readonly input: FlowData;
  readonly auth: { readonly sub: string | null; readonly roles: readonly string[] };
  readonly now: Date;
}

/** Gives plain JSON. Throws ExpressionError. */
export type CelExpression = (scope: CelScope) => unknown;

/** An expression had no value for an event: the same expression never has one for the same event. */
export class CelError extends PermanentError {}

/** What the value must be; `any` is whatever JSON has. */
export type Wanted = 'bool' | 'object' | 'any';

/** Characters of an expression. */
const LONGEST = 4096;

const LIMITS = { maxAstNodes: 2000, maxDepth: 50, maxListElements: 200, maxMapEntries: 200, maxCallArguments: 16 };

const FITTING: Readonly<Record<Exclude<Wanted, 'any'>, RegExp>> = { bool: /^(?:bool|dyn)$/, object: /^(?:map\b|dyn)/ };
const SHOWN = { bool: 'true or false', object: 'an object', any: 'a value' } as const;

/** Numbers of JSON are doubles; they count with whole numbers of expressions as with their like. */
const NUMBERS = [
  ['+', (a: number, b: number) => a + b],
  ['-', (a: number, b: number) => a - b],
  ['*', (a: number, b: number) => a * b],
  ['/', (a: number, b: number) => a / b],
  ['%', (a: number, b: number) => a % b],
] as const;

let environment: Environment | undefined;

/** One for all flows: it is costly to make. */
function environmentOf(): Environment {
  if (environment !== undefined) return environment;
  const made = new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS })
    .registerVariable('input', 'map')
    .registerVariable({ name: 'auth', schema: { sub: 'dyn', roles: 'list<string>' } })
    .registerVariable('now', 'google.protobuf.Timestamp')
    .registerFunction('string(google.protobuf.Timestamp): string', (time: Date) => time.toISOString());
  for (const [operator, count] of NUMBERS) {
    const handler = (left: unknown, right: unknown) => count(Number(left), Number(right));
    made.registerOperator(`double ${operator} int`, handler).registerOperator(`int ${operator} double`, handler);
    if (operator === '%') made.registerOperator('double % double', handler);
  }
  environment = made;
  return made;
}

/** An expression of config.yaml as a function, or what is wrong with it. */
export function compileExpression(text: string, wanted: Wanted): Reading<CelExpression> {
  if (text.length > LONGEST) return { message: `an expression has at most ${LONGEST} characters` };
  try {
    const program = environmentOf().parse(text);
    const refused = checkCalls(program.ast);
    if (refused !== undefined) return refused;
    const checked = program.check();
    if (!checked.valid) return describe(checked.error);
    const type = checked.type ?? 'dyn';
    if (wanted !== 'any' && !FITTING[wanted].test(type)) {
      return { message: `expected an expression that gives ${SHOWN[wanted]}, this one gives ${type}` };
    }
    const nesting = countNesting(program.ast);
    return { value: (scope) => evaluate({ text, wanted, nesting, run: program }, scope) };
  } catch (error) {
    return describe(error);
  }
}

/** Whether a text is an expression that reads this member of the input. */
export function readsInput(text: string, name: string): boolean {
  try {
    return readsMember(environmentOf().parse(text).ast, name);
  } catch {
    return false;
  }
}

/** A node of an expression, as far as what it gives is written in it. */
export type ExpressionNode =
  | { readonly op: 'value'; readonly args: unknown }
  | { readonly op: 'list'; readonly args: readonly ExpressionNode[] }
  | { readonly op: 'map'; readonly args: readonly (readonly [ExpressionNode, ExpressionNode])[] }
  | { readonly op: 'other' };

/** The nodes of an expression; undefined for text that is none. */
export function parseExpression(text: string): ExpressionNode | undefined {
  try {
    return environmentOf().parse(text).ast as ExpressionNode;
  } catch {
    return undefined;
  }
}

interface Compiled {
  readonly text: string;
  readonly wanted: Wanted;
  /** How deep macros over lists stand in each other. */
  readonly nesting: number;
  readonly run: (scope: Record<string, unknown>) => unknown;
}

function evaluate({ text, wanted, nesting, run }: Compiled, scope: CelScope): unknown {
  let value: unknown;
  try {
    if (isTooLarge(scope.input, nesting)) throw new Error('the input has too many items for macros inside each other');
    value = toPlain(run({ ...scope }));
  } catch (error) {
    throw new CelError(`${shorten(text)}: ${summaryOf(error)}`, { cause: error });
  }
  if (fits(value, wanted)) return value;
  throw new CelError(`${shorten(text)}: gives something else than ${SHOWN[wanted]}`);
}

function fits(value: unknown, wanted: Wanted): boolean {
  if (wanted === 'bool') return typeof value === 'boolean';
  return wanted === 'any' || (typeof value === 'object' && value !== null && !Array.isArray(value));
}

function describe(error: unknown): Wrong {
  const at = isOfLibrary(error) && error.range !== undefined ? ` (at character ${error.range.start + 1})` : '';
  return { message: `${summaryOf(error)}${at}`, hint: hintFor(error) };
}

function hintFor(error: unknown): string {
  const summary = summaryOf(error);
  const unknown = /^Unknown variable: (\S+)/.exec(summary)?.[1];
  if (unknown === undefined) return 'an expression is CEL, such as input.price > 100';
  return `there are input, auth and now: did you mean input.${unknown}, or the text "${unknown}" in quotes of its own?`;
}

function summaryOf(error: unknown): string {
  if (isOfLibrary(error)) return error.summary;
  return error instanceof Error ? error.message : String(error);
}

function isOfLibrary(error: unknown): error is ParseError | EvaluationError | TypeMistake {
  return error instanceof ParseError || error instanceof EvaluationError || error instanceof TypeMistake;
}

function shorten(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
