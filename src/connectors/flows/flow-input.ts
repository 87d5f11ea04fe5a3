import type { FlowData, InputNotes } from '../connector.ts';

/** Input of a flow as its sender sent it. */
export interface SentInput {
  readonly input: FlowData;
  readonly notes: InputNotes;
}

/** Converts a JSON value to the input of a flow: the members of an object, anything else as `body`. */
export function toFlowInput(value: unknown): SentInput {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wholeOf(value, kindOf(value));
  return { input: value as FlowData, notes: { sent: Object.keys(value) } };
}

/** Input with a value as `body`. `kind` names it in messages; `metadata` are further members. */
export function wholeOf(body: unknown, kind: string, metadata: FlowData = {}): SentInput {
  return { input: { body, ...metadata }, notes: { sent: ['body'], whole: kind } };
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  return value === null ? 'null' : `a ${typeof value}`;
}
