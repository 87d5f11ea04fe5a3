import { tmpdir } from 'node:os';
import { Report } from '../../src/config/files/report.ts';
import { loadServer, readSettings } from '../../src/config/load.ts';
import { CAPABILITIES, type Capabilities } from '../../src/openapi/capabilities.ts';
import type { ContractSource } from '../../src/openapi/openapi.ts';
import type { Plan } from '../../src/schema/plan.ts';

/** Capabilities with every feature that the documents can describe. */
export const EVERYTHING: Capabilities = {
  mediaTypes: ['application/json', 'application/x-ndjson', 'text/csv', 'application/cbor', 'application/vnd.msgpack'],
  subprotocols: ['tablecast.json', 'tablecast.cbor', 'tablecast.msgpack'],
  liveSubprotocols: ['tablecast.v1.json', 'tablecast.v1.cbor', 'tablecast.v1.msgpack'],
  bulk: true,
  cursor: true,
  count: true,
  delta: true,
  idempotency: true,
};

export function sourceOf(plan: Plan, capabilities: Capabilities = CAPABILITIES): ContractSource {
  const settings = readSettings(tmpdir(), { report: new Report(), env: {}, role: 'alone', shown: 'config.yaml' });
  const server = loadServer(tmpdir(), settings);
  return {
    plan,
    version: 'v',
    limits: server.limits,
    secure: false,
    host: '127.0.0.1:9996',
    capabilities,
    auth: false,
  };
}

/** Schema with every type and directive, nullable and not, and tables of every kind. */
export const EVERY_KIND = `
enum Kind { TOOL TOY }
"Where something is."
type Place { city: String! zip: Int tags: [String!]! inner: Inner! }
type Inner { kind: Kind! since: Date @default(value: "2020-01-01") note: String! @default(value: "none") }
"Things of every kind."
type Thing @table @compositeIndex(fields: ["kind", "made"], unique: true) @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  "What it is called."
  name: String! @indexed
  code: String @unique
  count: Int! @default(value: 3)
  size: Int
  weight: Float!
  ratio: Float
  big: Long!
  long: Long
  ok: Boolean!
  maybe: Boolean
  made: Date!
  gone: Date @expiresAt
  any: JSON!
  extra: JSON
  kind: Kind!
  other: Kind @default(value: TOY)
  place: Place!
  elsewhere: Place
  names: [String!]! @indexed(type: "fulltext")
  label: String @computed(from: "upper(name)") @indexed
  total: Float @computed(from: "count * weight")
  numbers: [[Int]]
  places: [Place!]
  kinds: [Kind]
  limit: Int
  createdAt: Date @createdTime
  updatedAt: Long! @updatedTime
}
type Number @table @export(name: "numbers.all") { n: Int! @primaryKey v: String }
type ReadOnly @table @export(public: [read]) { id: ID! @primaryKey }
type OnlyPublish @table @export(sse: false, ws: false, public: [publish]) { id: ID! @primaryKey }
type OnlyStream @table @export(rest: false, ws: false) { id: ID! @primaryKey t: String! }
type NoCreate @table @export(public: [read, update]) { id: ID! @primaryKey t: String! }
type Nothing @table @export(public: []) { id: ID! @primaryKey }
type Inside @table { id: ID! @primaryKey }
`;
