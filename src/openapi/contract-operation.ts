import type { ErrorCode } from '../errors.ts';
import { claim } from './operation-maker.ts';
import type { ErrorResponses } from './responses.ts';
import type { Part } from './schemas/schemas.ts';

export type ContractMethod = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** Operation that belongs to no table, as described by the part of the server that implements it. */
export interface ContractOperation {
  /** Name for code generators: `logIn`. */
  readonly id: string;
  readonly tag: string;
  readonly method: ContractMethod;
  /** Path below `/{app_id}`, with parameters in braces: `/orders/{id}`. */
  readonly path: string;
  /** Set when it is not below `/{app_id}`: at the root of the server, or on another port. */
  readonly at?: 'root' | { readonly port: number };
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Part[];
  readonly body?: Part;
  readonly responses: Part;
  readonly codes: readonly ErrorCode[];
  /** Required credentials: none for `anyone`. Undefined when it depends on the caller. */
  readonly access?: 'anyone' | 'authenticated';
}

export interface ContractTag {
  readonly name: string;
  readonly description: string;
}

/** Operations of an application that belong to no table. */
export interface Described {
  readonly operations: readonly ContractOperation[];
  readonly tags: readonly ContractTag[];
}

export interface DescribedContext {
  readonly errors: ErrorResponses;
  readonly auth: boolean;
  readonly ids: Set<string>;
  /** Names of tags that tables use. */
  readonly taken: ReadonlySet<string>;
  /** Origin of the server: its URL without a path. */
  readonly origin: string;
}

/** Path items by path. */
export type Paths = Record<string, Record<string, unknown>>;

/** Adds operations to the paths of the tables. Of two at one address the first stays: it is the one that answers. */
export function addDescribed(paths: Paths, { operations }: Described, context: DescribedContext): void {
  const spellings = new Map(Object.keys(paths).map((path) => [shapeOf(path), path]));
  for (const operation of operations) {
    const { path, method } = operation;
    const spelling = spellings.get(shapeOf(path)) ?? path;
    const item = paths[path] ?? {};
    // OpenAPI does not allow paths that differ only in the names of parameters.
    if (spelling !== path || item[method] !== undefined) continue;
    spellings.set(shapeOf(path), path);
    paths[path] = { ...item, [method]: toOperation(operation, context) };
  }
}

/** Returns a path template without the names of its parameters, which do not distinguish addresses. */
function shapeOf(path: string): string {
  return path.replace(/\{[^}]*\}/g, '{}');
}

/** Returns the name of a tag; a table can have the same name, and then the tag gets a suffix. */
function tagName(name: string, taken: ReadonlySet<string>): string {
  return taken.has(name) ? `${name} (server)` : name;
}

export function describedTags({ tags }: Described, taken: ReadonlySet<string>): readonly Part[] {
  return tags.map(({ name, description }) => ({ name: tagName(name, taken), description }));
}

function toOperation(operation: ContractOperation, { errors, auth, ids, taken, origin }: DescribedContext): Part {
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

/** Describes a body of JSON. */
export function jsonBody(schema: Part, example?: unknown): Part {
  return { required: true, content: { 'application/json': { schema, ...(example === undefined ? {} : { example }) } } };
}

/** Describes a response of JSON. */
export function jsonAnswer(description: string, schema: Part, example?: unknown): Part {
  return { description, content: { 'application/json': { schema, ...(example === undefined ? {} : { example }) } } };
}

/** Converts the segments of a route, as in `orders/:id`, to a path template and its parameters. */
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

/** Makes a name for code generators: `postOrdersById` for POST and `orders/:id`. */
export function operationName(method: string, segments: readonly string[]): string {
  const words = segments.flatMap((segment) => {
    const name = segment.replace(/^:/, 'by-');
    return name.split(/[^A-Za-z0-9]+/).filter((word) => word !== '');
  });
  return method.toLowerCase() + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

/** Response to an upgrade. */
export const SWITCHING: Part = { description: 'The WebSocket is open (RFC 6455).' };

/** Describes a stream of Server-Sent Events. */
export function eventStream(description: string): Part {
  return { description, content: { 'text/event-stream': { schema: { type: 'string' } } } };
}
