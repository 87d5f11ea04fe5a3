import type { FlowData, InputNotes } from '../connector.ts';

/** An input, as far as its sender has made it. */
export interface SentInput {
  readonly input: FlowData;
  readonly notes: InputNotes;
}

/** What a flow gets of a JSON value: the members of an object, anything else as `body`. */
export function toFlowInput(value: unknown): SentInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wholeOf(value, kindOf(value));
  return { input: value as FlowData, notes: { sent: Object.keys(value) } };
}

/** What was sent as `body`; `kind` names it for people. `more` is said about it beside it. */
export function wholeOf(body: unknown, kind: string, more: FlowData = {}): SentInput {
  return { input: { body, ...more }, notes: { sent: ['body'], whole: kind } };
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return value === null ? 'null' : `a ${typeof value}`;
}
