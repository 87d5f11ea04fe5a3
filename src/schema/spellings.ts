import { type ConstArgumentNode, type ConstValueNode, Kind } from 'graphql';
import type { SchemaReport } from './sdl/schema-report.ts';

/** Protocols of related systems. `@export` may switch them off, since they are not available here. */
const ABSENT_TRANSPORTS: Readonly<Record<string, string>> = {
  graphql: 'GraphQL',
  mqtt: 'MQTT',
  mcp: 'MCP',
  grpc: 'gRPC',
};

/**
 * Converts the value of an argument to the form that the rest of the schema code expects. Schemas of related systems
 * write some arguments in another way that means the same: a name without quotes, a list of names as one string with
 * commas.
 */
export function canonicalValue(value: ConstValueNode, type: string): ConstValueNode {
  if (type === 'String' || type === 'String!') return unquoted(value);
  if (type !== '[String!]!') return value;
  if (value.kind === Kind.LIST) return { ...value, values: value.values.map(unquoted) };
  const { loc } = value;
  if (value.kind !== Kind.STRING) return value;
  const names = value.value.split(',').map((name) => name.trim());
  return {
    kind: Kind.LIST,
    values: names.map((name) => ({ kind: Kind.STRING, value: name, ...(loc && { loc }) })),
    ...(loc && { loc }),
  };
}

/** Converts an enum value of GraphQL, a word without quotes, to a string. */
function unquoted(value: ConstValueNode): ConstValueNode {
  return value.kind === Kind.ENUM ? { ...value, kind: Kind.STRING } : value;
}

/** Reports `@export(mqtt: true)`. */
export function checkTransport({ name, value }: ConstArgumentNode, report: SchemaReport): void {
  const label = ABSENT_TRANSPORTS[name.value];
  if (label === undefined || value.kind !== Kind.BOOLEAN || !value.value) return;
  const hint = `write ${name.value}: false, or leave it out; there are rest, sse and ws`;
  report.wrong(value, `Tablecast has no ${label}`, hint);
}
