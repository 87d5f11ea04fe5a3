import { checkRules } from '../../src/auth/policy/access.ts';
import { StartError } from '../../src/config/files/diagnostic.ts';
import type { Plan, TablePlan } from '../../src/schema/plan.ts';
import { makePlan } from '../../src/schema/sdl/build.ts';
import type { AppSwitches } from '../../src/schema/sdl/tables.ts';

export const APP: AppSwitches = { appId: 'my-app', rest: undefined, sse: undefined, ws: undefined };

export function planOf(text: string, app: Partial<AppSwitches> = {}): Plan {
  return makePlan([{ file: 'schema.graphql', text }], { ...APP, ...app }, checkRules);
}

export function tableOf(text: string, name?: string): TablePlan {
  const { tables } = planOf(text);
  const table = name === undefined ? tables[0] : tables.find((candidate) => candidate.name === name);
  if (table === undefined) throw new Error(`no table ${name ?? ''}`);
  return table;
}

/** Returns the StartError that the call throws. */
export function startErrorOf(run: () => unknown): StartError {
  try {
    run();
  } catch (error) {
    if (error instanceof StartError) return error;
    throw error;
  }
  throw new Error('expected a StartError');
}

/** Removes the marks `§` from a text, each of which stands before the location of an expected error. */
export function readMarks(marked: string): { text: string; places: string[] } {
  const [first = '', ...rest] = marked.split('§');
  const places: string[] = [];
  let text = first;
  for (const part of rest) {
    places.push(placeAt(text));
    text += part;
  }
  return { text, places };
}

function placeAt(before: string): string {
  const lines = before.split('\n');
  return `${lines.length}:${(lines.at(-1) ?? '').length + 1}`;
}

/** Returns `line:column message | hint` for every error in the schema. */
export function mistakesOf(text: string): string[] {
  const { diagnostics } = startErrorOf(() => planOf(text));
  return diagnostics.map(({ at, message, hint }) => `${at.line}:${at.column} ${message}${hint ? ` | ${hint}` : ''}`);
}
