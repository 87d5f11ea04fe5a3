import type { ErrorCode } from '../errors.ts';
import { claim } from './operation-maker.ts';
import type { ErrorResponses } from './responses.ts';
import type { Part } from './schemas/schemas.ts';

export type ContractMethod = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** An operation that is not one of a table, as the part of the server that answers it describes it. */
export interface ContractOperation {
  /** For code generators, as `logIn`. */
  readonly id: string;
  readonly tag: string;
  readonly method: ContractMethod;
  /** Below `/{app_id}`, with parameters in braces: `/orders/{id}`. */
  readonly path: string;
  /** Where it is not below `/{app_id}`: at the root of the server, or on a port of its own. */
  readonly at?: 'root' | { readonly port: number };
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Part[];
  readonly body?: Part;
  readonly responses: Part;
  readonly codes: readonly ErrorCode[];
  /** Whether callers have to show who they are; `anyone` is not asked. Without it, it depends on the caller. */
  readonly access?: 'anyone' | 'authenticated';
}

export interface ContractTag {
  readonly name: string;
  readonly description: string;
}

/** What an application answers beside its tables. */
export interface Described {
  readonly operations: readonly ContractOperation[];
  readonly tags: readonly ContractTag[];
}

export interface DescribedContext {
  readonly errors: ErrorResponses;
  readonly auth: boolean;
  readonly ids: Set<string>;
  /** Names of tags that are taken by tables. */
  readonly taken: ReadonlySet<string>;
  /** Of the server, without a path. */
  readonly origin: string;
}

/** Path items by path. */
export type Paths = Record<string, Record<string, unknown>>;

/** Puts them beside the paths of the tables. Where two are at one address, the first is what the server answers. */
export function addDescribed(paths: Paths, { operations }: Described, context: DescribedContext): void {
  const spellings = new Map(Object.keys(paths).map((path) => [shapeOf(path), path]));
  for (const operation of operations) {
    const { path, method } = operation;
    const spelling = spellings.get(shapeOf(path)) ?? path;
    const item = paths[path] ?? {};
    // With other names of parameters it would be a second address, which OpenAPI does not allow.
    if (spelling !== path || item[method] !== undefined) continue;
    spellings.set(shapeOf(path), path);
    paths[path] = { ...item, [method]: describe(operation, context) };
  }
}

/** Templates that differ in the names of their parameters are one address. */
function shapeOf(path: string): string {
  return path.replace(/\{[^}]*\}/g, '{}');
}

/** A tag of ours keeps apart from a table of that name. */
function tagName(name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? `${name} (server)` : name;
}

export function describedTags({ tags }: Described, taken: ReadonlySet<string>): readonly Part[] {
  return tags.map(({ name, description }) => ({ name: tagName(name, taken), description }));
}

function describe(operation: ContractOperation, { errors, auth, ids, taken, origin }: DescribedContext): Part {
  const { id, tag, summary, description, parameters, body, responses, codes, access, at } = operation;
  const authCodes: readonly ErrorCode[] = auth && access !== 'anyone' ? ['UNAUTHORIZED', 'FORBIDDEN'] : [];
  return {
    operationId: claim(id, ids),
    tags: [tagName(tag, taken)],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters === undefined || parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: body }),
    ...(auth && access === 'anyone' ? { security: [] } : {}),
    ...(auth && access === 'authenticated' ? { security: [{ bearer: [] }] } : {}),
    ...(at === undefined ? {} : { servers: [{ url: at === 'root' ? origin : withPort(origin, at.port) }] }),
    responses: { ...responses, ...errors.refer([...codes, ...authCodes]) },
  };
}

function withPort(origin: string, port: number): string {
  const url = new URL(origin);
  url.port = String(port);
  return url.origin;
}

/** A body of JSON. */
export function jsonBody(schema: Part, example?: unknown): Part {
  return { required: true, content: { 'application/json': { schema, ...(example === undefined ? {} : { example }) } } };
}

/** An answer of JSON. */
export function jsonAnswer(description: string, schema: Part, example?: unknown): Part {
  return { description, content: { 'application/json': { schema, ...(example === undefined ? {} : { example }) } } };
}

/** What a path template and its parameters are, of segments as routes have them: `orders/:id`. */
export function pathTemplate(segments: readonly string[]): { readonly path: string; readonly parameters: Part[] } {
  const isParameter = (segment: string) => segment.startsWith(':');
  return {
    path: segments.map((segment) => (isParameter(segment) ? `/{${segment.slice(1)}}` : `/${segment}`)).join(''),
    parameters: segments.filter(isParameter).map((segment) => ({
      name: segment.slice(1),
      in: 'path',
      required: true,
      schema: { type: 'string', minLength: 1 },
      example: 'a-1',
    })),
  };
}

/** A name for code generators: `postOrdersById` of POST and `orders/:id`. */
export function operationName(method: string, segments: readonly string[]): string {
  const words = segments.flatMap((segment) => {
    const name = segment.replace(/^:/, 'by-');
    return name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  });
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/** The answer to an upgrade. */
export const SWITCHING: Part = { description: 'The WebSocket is open (RFC 6455).' };

/** A stream of Server-Sent Events. */
export function eventStream(description: string): Part {
  return { description, content: { 'text/event-stream': { schema: { type: 'string' } } } };
}
