import type { Limits } from '../config/config.ts';
import type { ErrorCode } from '../errors.ts';
import type { Action, JsonValue, TablePlan } from '../schema/plan.ts';
import { isOffered } from '../schema/plan.ts';
import type { Capabilities } from './capabilities.ts';
import { conditionsParameter, filterParameters, parameters } from './parameters.ts';
import { BULK, type ErrorResponses, headers, PUBLISHED } from './responses.ts';
import { exampleBody, exampleRecord } from './schemas/examples.ts';
import { type Part, refer } from './schemas/schemas.ts';

export interface OperationContext {
  readonly limits: Limits;
  readonly capabilities: Capabilities;
  readonly errors: ErrorResponses;
  /** True when authentication is on. */
  readonly auth: boolean;
  /** True when streams are described in addition to the reads on the same address. */
  readonly streams: boolean;
  /** Operation ids that are in use. */
  readonly ids: Set<string>;
}

/** Operation of a table, before shared parts are added. */
export interface Description {
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Part[];
  readonly body?: Part;
  readonly responses: Part;
  readonly codes: readonly ErrorCode[];
}

/** Content types with a row for each record. */
const ROWS: readonly string[] = ['application/x-ndjson', 'text/csv'];

/** Makes the operations of one table. */
export class OperationMaker {
  readonly table: TablePlan;
  readonly context: OperationContext;

  constructor(table: TablePlan, context: OperationContext) {
    this.table = table;
    this.context = context;
  }

  get rest(): boolean {
    return this.table.transports.has('rest');
  }

  /** True when at least some callers may do this. */
  may(action: Action): boolean {
    return isOffered(this.table, action);
  }

  operation({ id, summary, description, parameters: list, body, responses, codes }: Description): Part {
    return {
      operationId: this.#claim(`${id}${this.table.name}`),
      tags: [this.table.name],
      summary,
      ...(description === undefined ? {} : { description }),
      ...(list === undefined || list.length === 0 ? {} : { parameters: list }),
      ...(body === undefined ? {} : { requestBody: body }),
      responses: {
        ...responses,
        ...this.context.errors.refer([...codes, ...this.#formatCodes(), ...this.#authCodes()]),
      },
    };
  }

  /** Refers to the shared parameters that the server supports. */
  shared(...names: readonly string[]): readonly Part[] {
    const { count, delta, idempotency } = this.context.capabilities;
    const known: Readonly<Record<string, boolean>> = { count, delta, idempotencyKey: idempotency };
    return parameters(...names.filter((name) => known[name] ?? true));
  }

  /** Returns the parameters of operations on many records. */
  conditions(): readonly Part[] {
    return [
      ...filterParameters(this.table, this.context.capabilities),
      conditionsParameter(this.table),
      ...this.shared('all', 'expect', 'prefer', 'idempotencyKey'),
    ];
  }

  /** Describes the content of a response in every content type. Rows are strings: no schema describes their lines. */
  media(schema: Part, example?: JsonValue): Part {
    return withExample(mediaOf(this.context.capabilities.mediaTypes, schema), example);
  }

  /** Example of a record in a response. */
  get example(): JsonValue {
    return exampleRecord(this.table);
  }

  /** Describes the content of a request. Only creating accepts rows. */
  accepted(schema: Part, rows: boolean): Part {
    const { mediaTypes } = this.context.capabilities;
    return mediaOf(rows ? mediaTypes : mediaTypes.filter((type) => !ROWS.includes(type)), schema);
  }

  /** Describes the content of a request, with an example that can be sent as it is. */
  input(schema: Part, kind: 'create' | 'replace' | 'merge' | undefined): Part {
    return withExample(this.accepted(schema, kind === 'create'), kind && exampleBody(this.table, kind));
  }

  written(): Part {
    return {
      headers: headers('ETag', 'X-Position', 'Preference-Applied'),
      content: this.media(refer(this.table.name), this.example),
    };
  }

  published(): Part {
    return { description: 'Published.', content: this.media(refer(PUBLISHED)) };
  }

  changed(): Part {
    return { description: 'Done.', headers: headers('X-Position'), content: this.media(refer(BULK)) };
  }

  /** Makes an id unique: `deleteAll` of X and `delete` of AllX would be equal. */
  #claim(id: string): string {
    return claim(id, this.context.ids);
  }

  #authCodes(): readonly ErrorCode[] {
    return this.context.auth ? ['UNAUTHORIZED', 'FORBIDDEN'] : [];
  }

  #formatCodes(): readonly ErrorCode[] {
    return this.context.capabilities.mediaTypes.length > 1 ? ['NOT_ACCEPTABLE'] : [];
  }
}

/** Returns an operation id and adds it to `ids`, with a suffix when it is in use. */
export function claim(id: string, ids: Set<string>): string {
  let free = id;
  while (ids.has(free)) free += '_';
  ids.add(free);
  return free;
}

function mediaOf(types: readonly string[], schema: Part): Part {
  return Object.fromEntries(types.map((type) => [type, { schema: ROWS.includes(type) ? { type: 'string' } : schema }]));
}

function withExample(content: Part, example: JsonValue | undefined): Part {
  const { 'application/json': json, ...others } = content as Readonly<Record<string, Part>>;
  if (example === undefined || json === undefined) return content;
  return { 'application/json': { ...json, example }, ...others };
}

/** Sentence about a body that may be missing, which no schema can express. */
export const NO_BODY = 'With `Prefer: return=minimal` there is no body.';

/** Describes the response to `Prefer: return=minimal`, with these headers. */
export function minimal(...names: readonly string[]): Part {
  return { description: 'Done; `Prefer: return=minimal`.', headers: headers(...names, 'Preference-Applied') };
}

/** Describes the parameter that distinguishes publishing from creating on the same address. */
export function publishParameter(required: boolean): Part {
  const schema = required ? { type: 'boolean', const: true } : { type: 'boolean', default: false };
  const description = 'Sends the body as a message.';
  return { name: 'publish', in: 'query', required, description, schema, example: true };
}

/** Returns a path item without the operations that are undefined. */
export function present(item: Readonly<Record<string, Part | undefined>>): Part {
  return Object.fromEntries(Object.entries(item).filter(([, operation]) => operation !== undefined));
}
