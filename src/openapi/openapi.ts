import type { Limits } from '../config/config.ts';
import type { Plan, TablePlan } from '../schema/plan.ts';
import { isOffered } from '../schema/plan.ts';
import { auditParts } from './audit.ts';
import type { Capabilities } from './capabilities.ts';
import { tablePaths } from './operations.ts';
import { sharedParameters } from './parameters.ts';
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
import { componentSchemas, type Part } from './schemas.ts';

/** What the documents of an application are made from; the same gives the same bytes. */
export interface ContractSource {
  readonly plan: Plan;
  /** Changes with the schema. */
  readonly version: string;
  readonly limits: Limits;
  /** `wss` and `https`. */
  readonly secure: boolean;
  /** Host and port, as configured. */
  readonly host: string;
  readonly capabilities: Capabilities;
  /** Callers can show who they are. */
  readonly auth: boolean;
}

const ABOUT = [
  'Made from the schema. A string that is exactly a literal of the type (`"42"` for an integer) is taken, and nothing else is converted;',
  'unknown fields and parameters are refused. Errors are RFC 9457 problem details with a `code`.',
].join(' ');

/** RFC 6750; nothing is shown where what is public is enough. */
const SECURITY = [{ bearer: [] }, {}];
const BEARER = {
  type: 'http',
  scheme: 'bearer',
  description:
    'A token (JWT) or an API key. What a caller may do, and which records and fields he sees, depends on it.',
};

/** The OpenAPI 3.1 description of what somebody may do over REST and Server-Sent Events. */
export function makeOpenApi({ plan, version, limits, capabilities, auth }: ContractSource): Part {
  const tables = exportedTables(plan);
  const errors = new ErrorResponses();
  const context = { limits, capabilities, errors, auth, ids: new Set<string>() };
  const audit = auditParts(plan, context);
  const paths = [...tables.flatMap((table) => tablePaths(table, context)), ...audit.paths];
  const published = tables.some((table) => isOffered(table, 'publish'));
  return {
    openapi: '3.1.0',
    info: { title: plan.appId, version, description: ABOUT },
    // Relative to this document, so that it also holds behind a proxy that adds a prefix.
    servers: [{ url: `../${plan.appId}` }],
    tags: [
      ...tables.map(({ name, description }) => ({ name, ...(description === undefined ? {} : { description }) })),
      ...audit.tags,
    ],
    ...(auth ? { security: SECURITY } : {}),
    paths: Object.fromEntries(paths),
    components: {
      ...(auth ? { securitySchemes: { bearer: BEARER } } : {}),
      schemas: {
        ...componentSchemas(tables, limits.id),
        ...SHARED_SCHEMAS,
        ...audit.schemas,
        ...(published ? { [PUBLISHED]: PUBLISHED_SCHEMA } : {}),
        ...(capabilities.bulk ? { [BULK]: BULK_SCHEMA } : {}),
      },
      responses: errors.components,
      parameters: sharedParameters({ limits }, capabilities),
      headers: {
        ...HEADERS,
        ...(capabilities.cursor || audit.paths.length > 0 ? { Link: LINK_HEADER } : {}),
        ...(capabilities.count ? { 'X-Total-Count': TOTAL_HEADER } : {}),
      },
    },
  };
}

/** Tables with a URL. */
export function exportedTables({ tables }: Plan): readonly TablePlan[] {
  return tables.filter(({ exportName }) => exportName !== undefined);
}
