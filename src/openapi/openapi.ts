import type { Limits } from '../config/config.ts';
import { isOffered, type Plan, type TablePlan } from '../schema/plan.ts';
import type { Capabilities } from './capabilities.ts';
import { addDescribed, type Described, type Paths as DescribedPaths, describedTags } from './contract-operation.ts';
import { type OperationContext, OperationMaker } from './operation-maker.ts';
import { auditParts } from './operations/audit.ts';
import { collectionItem } from './operations/collection.ts';
import { recordItem } from './operations/record.ts';
import { idParameter, sharedParameters } from './parameters.ts';
import {
  BULK,
  BULK_SCHEMA,
  ErrorResponses,
  HEADERS,
  LINK_HEADER,
  PUBLISHED,
  PUBLISHED_SCHEMA,
  SHARED_SCHEMAS,
  TOTAL_HEADER,
} from './responses.ts';
import { componentSchemas } from './schemas/component-schemas.ts';
import type { Part } from './schemas/schemas.ts';

/** Source of an application's documents. Equal sources make equal bytes. */
export interface ContractSource {
  readonly plan: Plan;
  /** Hash that changes with the schema. */
  readonly version: string;
  readonly limits: Limits;
  /** True for `wss` and `https`. */
  readonly secure: boolean;
  /** Configured host and port. */
  readonly host: string;
  readonly capabilities: Capabilities;
  /** True when authentication is on. */
  readonly auth: boolean;
  /** True when protocol v1 is served. */
  readonly live?: boolean;
  /** Rules of rooms, in Markdown; empty where there are none. */
  readonly rooms?: string;
  /** Operations that belong to no table. */
  readonly described?: readonly Described[];
}

/** Options of a document. */
export interface View {
  /** Origin under which the document was requested: `https://api.example.com`; defaults to the configured host. */
  readonly origin?: string;
  /** `all` describes every content type and the streams. Without it only JSON: code generators then make better clients. */
  readonly media?: 'all';
  /** Relative address of `/{app_id}/` from the document; defaults to `.`. */
  readonly root?: '.' | '..';
}

const ABOUT = [
  'This API is generated from the schema of the application: each exported table has a list and its records, with',
  'filters, sorting, paging, bulk writes and live channels.',
  '',
  'Unknown fields and parameters are refused. A string that is exactly a literal of a type (`"42"` for an integer) is',
  'accepted; nothing else is converted. Errors are [problem details](https://www.rfc-editor.org/rfc/rfc9457) with a',
  'stable `code`. Every change has a position in the log (`seq`), from which a channel can be resumed.',
].join('\n');

const JSON_ONLY = [
  'This document describes JSON. The same with every content type (CSV, NDJSON, CBOR, MessagePack) and with the streams',
  'on the same addresses is `openapi.json?media=all`; `asyncapi.json` describes the WebSockets.',
].join('\n');

/** Bearer credentials (RFC 6750), or none for what is public. */
const SECURITY = [{ bearer: [] }, {}];
const BEARER = {
  type: 'http',
  scheme: 'bearer',
  description:
    'A token (JWT) or an API key. It decides what a caller may do, and which records and fields the caller sees.',
};

/** Makes the OpenAPI 3.1 document of everything that the server offers over HTTP for an application. */
export function makeOpenApi(source: ContractSource, view: View = {}): Part {
  const { plan, version, limits, auth } = source;
  const capabilities = capabilitiesOf(source, view);
  const tables = exportedTables(plan);
  const errors = new ErrorResponses();
  const context = { limits, capabilities, errors, auth, streams: view.media === 'all', ids: new Set<string>() };
  const audit = auditParts(plan, context);
  const paths = Object.fromEntries([...tables.flatMap((table) => tablePaths(table, context)), ...audit.paths]);
  const taken = new Set(tables.map(({ name }) => name));
  const { described = [] } = source;
  const origin = view.origin ?? originOf(source);
  for (const one of described) addDescribed(paths as DescribedPaths, one, { ...context, taken, origin });
  return {
    openapi: '3.1.0',
    info: { title: plan.appId, version, description: view.media === 'all' ? ABOUT : `${ABOUT}\n\n${JSON_ONLY}` },
    servers: [
      // Absolute, since many tools use the first URL as it is.
      { url: `${origin}/${plan.appId}` },
      {
        url: `${view.root === '..' ? '../' : ''}../${plan.appId}`,
        description: 'Relative to this document: behind a proxy that adds a prefix.',
      },
    ],
    tags: [
      ...tables.map(({ name, description }) => ({ name, description: description ?? `Records of ${name}.` })),
      ...audit.tags,
      ...described.flatMap((one) => describedTags(one, taken)),
    ],
    security: auth ? SECURITY : [],
    paths,
    components: {
      ...(auth ? { securitySchemes: { bearer: BEARER } } : {}),
      schemas: {
        ...componentSchemas(tables, limits.id),
        ...SHARED_SCHEMAS,
        ...audit.schemas,
        ...(tables.some((table) => isOffered(table, 'publish')) ? { [PUBLISHED]: PUBLISHED_SCHEMA } : {}),
        ...(capabilities.bulk ? { [BULK]: BULK_SCHEMA } : {}),
      },
      responses: errors.components,
      parameters: usedIn(paths, sharedParameters({ limits }, capabilities)),
      headers: {
        ...HEADERS,
        ...(capabilities.cursor || audit.paths.length > 0 ? { Link: LINK_HEADER } : {}),
        ...(capabilities.count ? { 'X-Total-Count': TOTAL_HEADER } : {}),
      },
    },
  };
}

/** Returns the parameters to which a path refers. */
function usedIn(paths: Part, parameters: Part): Part {
  const text = JSON.stringify(paths);
  const isUsed = ([name]: readonly [string, unknown]) => text.includes(`"#/components/parameters/${name}"`);
  return Object.fromEntries(Object.entries(parameters).filter(isUsed));
}

function capabilitiesOf({ capabilities }: ContractSource, { media }: View): Capabilities {
  if (media === 'all') return capabilities;
  const [usual] = capabilities.mediaTypes;
  return { ...capabilities, mediaTypes: [usual] };
}

/** Returns the configured origin, for documents that are made without a request. */
function originOf({ secure, host }: ContractSource): string {
  return `http${secure ? 's' : ''}://${host}`;
}

/** Returns the tables with a URL. */
export function exportedTables({ tables }: Plan): readonly TablePlan[] {
  return tables.filter(({ exportName }) => exportName !== undefined);
}

/**
 * Describes the paths of a table and of its records, with the operations that at least some callers may use. A path without
 * operations is left out.
 */
export function tablePaths(table: TablePlan, context: OperationContext): readonly (readonly [string, Part])[] {
  const path = `/${table.exportName}`;
  const make = new OperationMaker(table, context);
  const collection = collectionItem(make);
  const record = recordItem(make);
  return [
    ...(isEmpty(collection) ? [] : [[path, collection] as const]),
    ...(isEmpty(record)
      ? []
      : [[`${path}/{id}`, { parameters: [idParameter(table, context.limits.id)], ...record }] as const]),
  ];
}

function isEmpty(item: Part): boolean {
  return Object.keys(item).length === 0;
}
