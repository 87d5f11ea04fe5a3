import type { FlowData } from '../connector.ts';

/** What a flow is told of a JSON value: the members of an object, anything else as `body`. */
export function membersOf(value: unknown): FlowData {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as FlowData;
  return { body: value };
}
