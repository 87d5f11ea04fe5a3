import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningServer, startServer } from '../../src/index.ts';
import { openApiMistakes, resolve } from '../openapi/valid.ts';
import { type Answer, ask } from '../support/http.ts';

type Part = Readonly<Record<string, unknown>>;
interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly security?: readonly unknown[];
  readonly servers?: readonly { readonly url: string }[];
  readonly parameters?: readonly Part[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Part }>> };
  readonly responses: Readonly<Record<string, Part>>;
}
interface Document extends Part {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

const SCHEMA = `
type Order @table @audit @export(public: [read, create, update, subscribe]) {
  id: ID! @primaryKey
  title: String
  kind: Kind
  price: Float
  n: Int
  big: Long
  ok: Boolean
  at: Date
  any: JSON
  tags: [String]
  place: Place
  buyerId: ID
  buyer: Buyer @relationship(from: "buyerId")
  secret: String @access(read: "editor")
}
enum Kind { ONE TWO }
type Place { city: String }
type Buyer @table @export(public: [read, create]) { id: ID! @primaryKey name: String! orders: [Order] @relationship(to: "buyerId") }
type metrics @table @export(public: [read]) { id: ID! @primaryKey }
`;
const CONFIG = `
app_id: shop
port: 0
logging: {level: silent}
auth:
  jwt: {secret: "a-secret-of-this-test-that-is-no-example-1"}
  users: true
  signup: true
routes: [routes.js]
connectors:
  chat: {type: websocket, path: /chat}
  news: {type: sse, path: /news}
flows:
  order:
    from: {connector: http, operation: "POST /orders/:id", query: [source]}
    transform: {id: input.id, title: input.title}
    to: {connector: table, operation: create, target: Order}
`;
/** Routes with a library that has Standard JSON Schema, and one without. */
const ROUTES = `
const standard = (check, input) => ({ '~standard': { version: 1, vendor: 'test',
  validate: (value) => (check(value) ? { value } : { issues: [{ message: 'is wrong' }] }),
  ...(input ? { jsonSchema: { input: () => input } } : {}) } });
const node = { $ref: '#/$defs/node' };
const items = { type: 'object', required: ['items'], properties: { items: { type: 'array', items: node }, one: { $ref: '#/$defs/text' } },
  $defs: { text: { type: 'string' }, node: { type: 'object', properties: { child: node } } }, $schema: 'x' };
const amount = { type: 'object', properties: { amount: { type: 'string', description: 'How much.' } }, required: ['amount'] };
export const routes = {
  'hello/:name': { handler: ({ params }) => ({ hello: params.name }) },
  quote: { query: standard(() => true, amount), body: standard((value) => Array.isArray(value?.items), items), handler: () => ({ ok: true }) },
  raw: { method: ['PUT', 'DELETE'], access: 'authenticated', body: standard(() => true), handler: () => undefined },
  ticks: { kind: 'sse', handler: async function* () { yield 1; } },
  echo: { kind: 'ws', handler: { onMessage() {} } },
};
`;

const dir = mkdtempSync(join(tmpdir(), 'tablecast-described-'));
let server: RunningServer;
let base = '';
let document: Document;
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);

beforeAll(async () => {
  writeFileSync(join(dir, 'schema.graphql'), SCHEMA);
  writeFileSync(join(dir, 'config.yaml'), CONFIG);
  writeFileSync(join(dir, 'routes.js'), ROUTES);
  server = await startServer({ dir, env: {}, allowDestructive: false });
  base = `${server.url}/shop`;
  document = (await ask('GET', `${base}/openapi.json`)).record as unknown as Document;
  ajv.addSchema(absolute(document), 'document');
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

function absolute<T>(part: T): T {
  return JSON.parse(JSON.stringify(part).replaceAll('"$ref":"#/', '"$ref":"document#/')) as T;
}

function deref(part: Part): Part {
  return typeof part.$ref === 'string' ? (resolve(document, part.$ref) as Part) : part;
}

function operation(method: string, path: string): Operation {
  const found = document.paths[path]?.[method.toLowerCase()];
  if (found === undefined) throw new Error(`the document has no ${method} ${path}`);
  return found;
}

/** Checks that a response has a documented status and fits its schema. */
function expectDocumented({ operationId, responses }: Operation, answer: Answer): void {
  const response = deref(responses[answer.status] ?? responses.default ?? {});
  const content = (response.content ?? {}) as Readonly<Record<string, { readonly schema: Part }>>;
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] as string;
  expect(Object.keys(content), `${operationId}: ${answer.status} ${answer.text}`).toEqual(
    answer.text === '' ? expect.anything() : expect.arrayContaining([type]),
  );
  if (answer.text === '' || !type.endsWith('json')) return;
  const isValid = ajv.compile(absolute(content[type]?.schema ?? {}));
  expect(isValid(JSON.parse(answer.text)) ? [] : isValid.errors, `${operationId}: ${answer.text}`).toEqual([]);
}

test('the document is valid and describes every operation with a name for code generators', async () => {
  expect(await openApiMistakes(document)).toEqual([]);
  const ids = Object.values(document.paths).flatMap((item) =>
    Object.values(item).flatMap(({ operationId }) => operationId ?? []),
  );
  expect(new Set(ids).size).toBe(ids.length);
  const named = [
    ...['signUp', 'logIn', 'refreshTokens', 'logOut', 'changePassword', 'getCaller', 'createTicket'],
    ...['getHelloByName', 'postQuote', 'putRaw', 'deleteRaw', 'streamTicks', 'openEcho'],
    ...['postOrdersById', 'listFlows', 'listDeadLetters', 'getDeadLetter', 'deleteDeadLetter', 'replayDeadLetter'],
    ...['openChat', 'streamNews', 'openChannels', 'streamChannels', 'readAuditLog', 'getLiveness', 'getReadiness'],
  ];
  expect(ids).toEqual(expect.arrayContaining(named));
  // A table is no longer in the way of a path at the root of the server.
  expect(operation('get', '/metrics').operationId).toBe('listmetrics');
  expect(operation('get', '/_/metrics').operationId).toBe('getMetrics');
  expect(operation('get', '/_/health/live').servers).toEqual([{ url: server.url }]);
  expect(operation('post', '/_/auth/login').security).toEqual([]);
  expect(operation('put', '/api/raw').security).toEqual([{ bearer: [] }]);
});

test('the first server is the origin of the request', async () => {
  expect(document.servers.map(({ url }) => url)).toEqual([base, '../shop']);
  const { port } = new URL(base);
  const other = await ask('GET', `http://localhost:${port}/shop/openapi.json`);
  expect((other.record as unknown as Document).servers[0]?.url).toBe(`http://localhost:${port}/shop`);
  expect(other.headers.get('etag')).not.toBe((await ask('GET', `${base}/openapi.json`)).headers.get('etag'));
});

test('every parameter has an example that the server accepts', async () => {
  await ask('POST', `${base}/Order`, { json: { title: 'Hello' } });
  const bare: string[] = [];
  for (const [path, item] of Object.entries(document.paths)) {
    const { parameters: shared = [], ...operations } = item as Record<string, Operation> & { parameters?: Part[] };
    for (const one of [
      ...(shared as Part[]),
      ...Object.values(operations).flatMap(({ parameters = [] }) => parameters),
    ]) {
      const { name, example } = deref(one);
      if (example === undefined) bare.push(`${path} ${String(name)}`);
    }
  }
  expect(bare).toEqual([]);
  const list = operation('get', '/Order');
  // Callers without the role may not filter by what they may not read.
  const queries = (list.parameters ?? []).map(deref).filter((one) => one.in === 'query' && one.name !== 'secret');
  expect(queries.length).toBeGreaterThan(15);
  for (const { name, example } of queries) {
    // In the form of client libraries.
    const isOfTotals = name === 'group' || name === 'having';
    const query = new URLSearchParams({ ...(isOfTotals && { aggregate: 'count' }), [String(name)]: String(example) });
    const answer = await ask('GET', `${base}/Order?${query}`);
    expect([name, answer.status, answer.text]).toEqual([name, 200, answer.text]);
    expectDocumented(list, answer);
  }
});

test('responses to select and records with hidden fields fit their schema', async () => {
  await ask('POST', `${base}/Buyer`, { json: { id: 'b', name: 'Bo' } });
  await ask('POST', `${base}/Order`, { json: { id: 'o', title: 'Hello', buyerId: 'b' } });
  for (const select of ['title', 'id,n', 'title,buyer{name}', 'title,buyer{name,orders{title}}']) {
    const query = `?select=${encodeURIComponent(select)}`;
    expectDocumented(operation('get', '/Order'), await ask('GET', `${base}/Order${query}`));
    expectDocumented(operation('get', '/Order/{id}'), await ask('GET', `${base}/Order/o${query}`));
  }
  const plain = await ask('GET', `${base}/Order/o`);
  expect(plain.record).not.toHaveProperty('secret');
  expectDocumented(operation('get', '/Order/{id}'), plain);
});

test('the responses of login, routes, flows and health fit the document', async () => {
  const name = { name: 'ada', password: 'correct horse battery' };
  const asked: [string, string, Parameters<typeof ask>[2], string?][] = [
    ['POST', '/_/auth/signup', { json: name }],
    ['POST', '/_/auth/signup', { json: name }],
    ['POST', '/_/auth/login', { json: name }],
    ['POST', '/_/auth/login', { json: { ...name, password: 'another one' } }],
    ['POST', '/_/auth/login', { json: {} }],
    ['POST', '/_/auth/refresh', { json: { refresh_token: 'none' } }],
    ['POST', '/_/auth/logout', { json: { refresh_token: 'none' } }],
    ['POST', '/_/auth/ticket', {}],
    ['GET', '/_/auth/me', {}],
    ['GET', '/_/audit', {}],
    ['GET', '/_/flows', {}],
    ['GET', '/api/hello/{name}', {}, '/api/hello/bo'],
    ['POST', '/api/quote', { json: { items: [] } }, '/api/quote?amount=1'],
    ['POST', '/api/quote', { json: {} }],
    ['PUT', '/api/raw', { json: {} }],
    ['POST', '/orders/{id}', { json: { title: 'x' } }, '/orders/from-flow'],
    ['POST', '/orders/{id}', { body: '{', headers: { 'content-type': 'application/json' } }, '/orders/two'],
  ];
  for (const [method, path, options, url = path] of asked) {
    const answer = await ask(method, base + url, options);
    expectDocumented(operation(method, path), answer);
    // None of these is an error of any request.
    expect(operation(method, path).responses, `${method} ${path} ${answer.text}`).toHaveProperty(String(answer.status));
  }
  const { record } = await ask('POST', `${base}/auth/login`, { json: name });
  const headers = { authorization: `Bearer ${String(record.access_token)}` };
  for (const [method, path] of [
    ['GET', '/_/auth/me'],
    ['POST', '/_/auth/ticket'],
    ['GET', '/_/audit'],
  ] as const) {
    expectDocumented(operation(method, path), await ask(method, base + path, { headers }));
  }
  for (const path of ['/_/health/live', '/_/health/ready']) {
    expectDocumented(operation('GET', path), await ask('GET', server.url + path));
  }
});

test('schemas of routes come from their library, without references into the document', () => {
  const quote = operation('post', '/api/quote');
  expect(quote.parameters).toEqual([
    {
      name: 'amount',
      in: 'query',
      required: true,
      description: 'How much.',
      schema: { type: 'string' },
      example: 'text',
    },
  ]);
  expect(quote.requestBody?.content['application/json']?.schema).toEqual({
    type: 'object',
    required: ['items'],
    properties: { items: { type: 'array', items: {} }, one: { type: 'string' } },
  });
});
