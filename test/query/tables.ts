import type { Limits } from '../../src/config/config.ts';
import type { FieldPlan, FieldType, JsonValue, ScalarName, TablePlan } from '../../src/schema/plan.ts';

const AT = { file: 'schema.graphql', line: 1, column: 1 };

export const LIMITS: Limits = {
  body: 1_048_576,
  jsonDepth: 64,
  jsonKeys: 1000,
  batch: 1000,
  transaction: 1000,
  bulk: 10_000,
  cascade: 10_000,
  url: 8192,
  query: 64 * 1024,
  headers: 16_384,
  headerCount: 100,
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAlive: 72_000,
  lingerSize: 64 * 1024 ** 2,
  lingerTime: 30_000,
  lingerConnections: 1000,
  pageDefault: 100,
  pageMax: 1000,
  window: 2000,
  heldGroups: 100_000,
  related: 1000,
  relatedAffected: 1000,
  relatedChanges: 5000,
  groups: 1000,
  scan: 100_000,
  filterLength: 4096,
  filterConditions: 32,
  filterDepth: 5,
  filterValues: 200,
  filterPattern: 128,
  listCache: 1_000_000,
  recordCache: 1_000_000,
  id: 256,
  subscriptions: 100,
  connections: 10_000,
  connectionsPerAddress: 200,
  connectionsPerPrincipal: 50,
  newConnectionsPerSecond: 20,
  newConnectionsBurst: 100,
  requestsPerSecond: 100,
  requestsBurst: 200,
  anonymousRequestsPerSecond: 20,
  anonymousRequestsBurst: 100,
  rateLoopback: false,
  eventLoopDelay: 1000,
  message: 524_288,
  messageFragments: 1024,
  messageChunks: 4096,
  waitingMessages: 100,
  messagesPerSecond: 50,
  messagesBurst: 100,
  shutdown: 10_000,
  loginsPerMinute: 10,
  loginsWaiting: 100,
  signupsPerMinute: 10,
  sessionsPerUser: 100,
  tickets: 10_000,
  ticketsPerPrincipal: 50,
};

export function scalar(name: ScalarName): FieldType {
  return { kind: 'scalar', name };
}

export function enumOf(name: string, ...values: string[]): FieldType {
  return { kind: 'enum', name, values };
}

export function listOf(of: FieldType): FieldType {
  return { kind: 'list', of, itemsRequired: false };
}

export function objectOf(name: string, fields: readonly FieldPlan[]): FieldType {
  return { kind: 'object', name, fields };
}

export function field(name: string, type: FieldType, indexed = false): FieldPlan {
  const primaryKey = name === 'id';
  return {
    name,
    type,
    required: primaryKey,
    primaryKey,
    indexed,
    fulltext: false,
    unique: primaryKey,
    expiresAt: false,
    hidden: false,
    at: AT,
  };
}

export function table(name: string, fields: readonly FieldPlan[]): TablePlan {
  const primaryKey = fields.find((candidate) => candidate.primaryKey);
  if (primaryKey === undefined) throw new Error('a table has a field id');
  return {
    name,
    database: 'data',
    table: name,
    exportName: name,
    transports: new Set(['rest']),
    switchedOff: [],
    public: new Set(),
    fields,
    relations: [],
    references: [],
    referrers: [],
    visibleFields: fields.filter(({ hidden }) => !hidden),
    primaryKey,
    compositeIndexes: [],
    checks: [],
    audited: false,
    at: AT,
  };
}

const COLUMN_TYPES: Partial<Record<ScalarName, string>> = {
  Int: 'INTEGER',
  Long: 'INTEGER',
  Boolean: 'INTEGER',
  Float: 'REAL',
};

export function createSql(plan: TablePlan, name: string): string {
  const columns = plan.fields.map(({ name: column, type, primaryKey }) => {
    const sqlType = type.kind === 'scalar' ? (COLUMN_TYPES[type.name] ?? 'TEXT') : 'TEXT';
    return `"${column}" ${sqlType}${primaryKey ? ' PRIMARY KEY' : ''}`;
  });
  return `CREATE TABLE "${name}" (${columns.join(', ')}) STRICT`;
}

/** Returns a record's value in its stored form. */
export function toCell(type: FieldType, value: JsonValue | undefined): string | number | bigint | null {
  if (value === null || value === undefined) return null;
  if (type.kind === 'list' || type.kind === 'object') return JSON.stringify(value);
  if (type.kind === 'enum') return String(value);
  if (type.name === 'JSON') return JSON.stringify(value);
  if (type.name === 'Long') return BigInt(value as string | number);
  if (type.name === 'Int') return BigInt(value as number);
  if (typeof value === 'boolean') return Number(value);
  return value as string | number;
}
