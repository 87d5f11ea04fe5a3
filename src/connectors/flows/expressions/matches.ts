import type { ASTNode, Environment } from '@marcbachmann/cel-js';
import type { Wrong } from '../../../config/keys/units.ts';
import { compilePattern, isPattern, type Pattern } from '../../../schema/constraints/pattern.ts';
import { children } from './bounds.ts';

/** Name under which an expression calls `matches`: that of the library matches in a time without a bound. */
const LINEAR = 'matchesInLinearTime';
/** Product of characters and size of the pattern that the matches of one expression may have together. */
const MAX_MATCH_STEPS = 20_000_000;

/** Patterns of all expressions, which are in config.yaml. */
const PATTERNS = new Map<string, Pattern>();

let steps = 0;

/** Begins the evaluation of an expression, whose matches have one bound together. */
export function beginMatches(): void {
  steps = 0;
}

/** Registers the function by which `matches` is replaced. */
export function registerMatches(environment: Environment): void {
  environment.registerFunction(`string.${LINEAR}(string): bool`, (text: string, source: string) => {
    const pattern = PATTERNS.get(source);
    if (pattern === undefined) throw new Error('the pattern of matches is no string of the expression');
    steps += text.length * pattern.size;
    if (steps > MAX_MATCH_STEPS) throw new Error('the strings are too long for the patterns of the expression');
    return pattern.test(text);
  });
}

/**
 * Compiles the pattern of each `matches`, and replaces the function. Returns the problem of a pattern; one that comes with the
 * event is refused, since its sender could choose it.
 */
export function replaceMatches(node: ASTNode): Wrong | undefined {
  const problem = isMatches(node) ? replace(node.args) : undefined;
  if (problem !== undefined) return problem;
  for (const child of children(node)) {
    const wrong = replaceMatches(child);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

type MemberCall = [name: string, receiver: ASTNode, args: ASTNode[]];

function isMatches(node: ASTNode): node is ASTNode & { args: MemberCall } {
  return node.op === 'rcall' && node.args[0] === 'matches';
}

function replace(call: MemberCall): Wrong | undefined {
  const [pattern, ...more] = call[2];
  if (pattern === undefined || more.length > 0) return { message: 'matches has one argument, the pattern' };
  if (pattern.op !== 'value' || typeof pattern.args !== 'string')
    return {
      message: 'the pattern of matches is a string in quotes',
      hint: 'write it into the expression: matches("^a+$")',
    };
  const source = pattern.args;
  const compiled = compilePattern(source, 're2');
  if (!isPattern(compiled)) return compiled;
  PATTERNS.set(source, compiled);
  call[0] = LINEAR;
  return undefined;
}
