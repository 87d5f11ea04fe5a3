import type { Limits } from '../config/config.ts';
import type { ErrorCode } from '../errors.ts';
import type { Action, TablePlan } from '../schema/plan.ts';
import { isOffered } from '../schema/plan.ts';
import type { Capabilities } from './capabilities.ts';
import { exampleBody } from './examples.ts';
import { filterParameters, parameters } from './parameters.ts';
import { BULK, type ErrorResponses, headers, PUBLISHED } from './responses.ts';
import { type Part, refer } from './schemas.ts';

export interface OperationContext {
  readonly limits: Limits;
  readonly capabilities: Capabilities;
  readonly errors: ErrorResponses;
  /** Callers can show who they are. */
  readonly auth: boolean;
  /** Operation ids that are taken. */
  readonly ids: Set<string>;
}

/** An operation before its references are made. */
export interface Description {
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Part[];
  readonly body?: Part;
  readonly responses: Part;
  readonly codes: readonly ErrorCode[];
}

/** Content types that are a row for each record. */
const ROWS: readonly string[] = ['application/x-ndjson', 'text/csv'];

/** What the operations of one table are made with. */
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

  /** Whether somebody may do this. */
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

  /** References to those shared parameters that the server understands. */
  shared(...names: readonly string[]): readonly Part[] {
    const { cursor, count, delta, idempotency } = this.context.capabilities;
    const known: Readonly<Record<string, boolean>> = { cursor, count, delta, idempotencyKey: idempotency };
    return parameters(...names.filter((name) => known[name] ?? true));
  }

  /** The conditions of what is done to many records. */
  conditions(): readonly Part[] {
    return [
      ...filterParameters(this.table, this.context.capabilities),
      ...this.shared('filter', 'all', 'prefer', 'idempotencyKey'),
    ];
  }

  /** What is given, in every content type; rows have a header or a line each, which no schema tells. */
  media(schema: Part): Part {
    return mediaOf(this.context.capabilities.mediaTypes, schema);
  }

  /** What is sent: rows are only for creating. */
  taken(schema: Part, rows: boolean): Part {
    const { mediaTypes } = this.context.capabilities;
    return mediaOf(rows ? mediaTypes : mediaTypes.filter((type) => !ROWS.includes(type)), schema);
  }

  /** What is sent, with an example that can be tried as it is. */
  input(schema: Part, kind: 'create' | 'replace' | 'merge' | undefined): Part {
    const taken = this.taken(schema, kind === 'create');
    const { 'application/json': json, ...others } = taken as Readonly<Record<string, Part>>;
    if (kind === undefined || json === undefined) return taken;
    return { 'application/json': { ...json, example: exampleBody(this.table, kind) }, ...others };
  }

  written(): Part {
    return {
      headers: headers('ETag', 'Preference-Applied'),
      content: this.media(refer(this.table.name)),
    };
  }

  published(): Part {
    return { description: 'On its way.', content: this.media(refer(PUBLISHED)) };
  }

  changed(): Part {
    return { description: 'Done.', content: this.media(refer(BULK)) };
  }

  /** `deleteAll` of X and `delete` of AllX are spelled alike. */
  #claim(id: string): string {
    const { ids } = this.context;
    let free = id;
    while (ids.has(free)) free += '_';
    ids.add(free);
    return free;
  }

  #authCodes(): readonly ErrorCode[] {
    return this.context.auth ? ['UNAUTHORIZED', 'FORBIDDEN'] : [];
  }

  #formatCodes(): readonly ErrorCode[] {
    return this.context.capabilities.mediaTypes.length > 1 ? ['NOT_ACCEPTABLE'] : [];
  }
}

function mediaOf(types: readonly string[], schema: Part): Part {
  return Object.fromEntries(types.map((type) => [type, { schema: ROWS.includes(type) ? { type: 'string' } : schema }]));
}

/** What a write answers to `Prefer: return=minimal`, with these headers too. */
export function minimal(...names: readonly string[]): Part {
  return { description: 'Done; `Prefer: return=minimal`.', headers: headers(...names, 'Preference-Applied') };
}

/** Tells publishing from creating on the same address. */
export function publishParameter(required: boolean): Part {
  const schema = required ? { type: 'boolean', const: true } : { type: 'boolean', default: false };
  return { name: 'publish', in: 'query', required, description: 'Sends the body as a message.', schema };
}

/** A path item of those operations that there are. */
export function present(item: Readonly<Record<string, Part | undefined>>): Part {
  return Object.fromEntries(Object.entries(item).filter(([, operation]) => operation !== undefined));
}
