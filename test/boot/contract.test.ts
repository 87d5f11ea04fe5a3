import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { type RunningServer, startServer } from '../../src/index.ts';
import { arbitraryOf } from '../openapi/arbitrary.ts';
import { EVERY_KIND } from '../openapi/documents.ts';
import { resolve } from '../openapi/valid.ts';
import { type Answer, ask } from '../support/http.ts';
import { WsClient } from '../support/ws-client.ts';

type Part = Readonly<Record<string, unknown>>;
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly Part[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Part }>> };
  readonly responses: Readonly<Record<string, Part>>;
}
interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Part>> };
}

/** The checks of this test hold up the event loop that the server shares with them: it would refuse requests as overloaded. */
const CONFIG = 'app_id: my-app\nport: 0\nlogging: {level: silent}\nlimits: {event_loop_delay: 0}\n';
const dir = mkdtempSync(join(tmpdir(), 'tablecast-contract-'));
let server: RunningServer;
let base = '';
let document: Document & Part;
const ajv = new Ajv2020({ strict: false, allErrors: true });
addFormats.default(ajv);

beforeAll(async () => {
  writeFileSync(join(dir, 'schema.graphql'), EVERY_KIND);
  writeFileSync(join(dir, 'config.yaml'), CONFIG);
  server = await startServer({ dir, env: {}, allowDestructive: false });
  base = `${server.url}/my-app`;
  document = (await ask('GET', `${base}/openapi.json?media=all`)).record as unknown as typeof document;
  ajv.addSchema(absolute(document), 'document');
});

afterAll(async () => {
  await server.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Makes the references of a part of the document absolute. */
function absolute<T>(part: T): T {
  return JSON.parse(JSON.stringify(part).replaceAll('"$ref":"#/', '"$ref":"document#/')) as T;
}

function deref(part: Part): Part {
  return typeof part.$ref === 'string' ? (resolve(document, part.$ref) as Part) : part;
}

/** Checks that the operation documents a response: status, content type, headers and body. */
function expectDocumented({ operationId, responses }: Operation, answer: Answer): void {
  const found = responses[answer.status] ?? responses.default;
  expect(found, `${operationId}: ${answer.status} ${answer.text}`).toBeDefined();
  const { content, headers } = deref(found as Part) as { content?: Part; headers?: Part };
  for (const name of [
    'etag',
    'location',
    'x-position',
    'preference-applied',
    'link',
    'x-total-count',
    'retry-after',
    'allow',
  ]) {
    const documented = Object.keys(headers ?? {}).map((header) => header.toLowerCase());
    if (answer.status < 400 && answer.headers.has(name)) expect(documented, operationId).toContain(name);
  }
  if (content === undefined) {
    expect(answer.text, operationId).toBe('');
    return;
  }
  const type = (answer.headers.get('content-type') ?? '').split(';')[0] as string;
  expect(Object.keys(content)).toContain(type);
  const isValid = ajv.compile(absolute((content[type] as { schema: Part }).schema));
  expect(isValid(JSON.parse(answer.text)) ? [] : isValid.errors, `${operationId}: ${answer.text}`).toEqual([]);
}

function exampleBody({ requestBody }: Operation, seed: number): unknown {
  const schema = requestBody?.content['application/json']?.schema;
  if (schema === undefined) return undefined;
  // The first variant is a single record.
  const shape = Array.isArray(schema.anyOf) ? (schema.anyOf[0] as Part) : schema;
  return sample(shape, seed);
}

/** Makes a value for the schema; a record must not be expired, since it would be removed immediately. */
function sample(schema: Part, seed: number): unknown {
  const [value] = fc.sample(arbitraryOf(schema, document), { seed, numRuns: 1 });
  return typeof value === 'object' && value !== null && 'gone' in value ? { ...value, gone: null } : value;
}

/** Methods in an order in which each finds the record that it needs. */
const ORDER = ['put', 'get', 'patch', 'post', 'delete'];
const EMPTY_ID = 1;

function operationsOf(path: string): (readonly [string, Operation])[] {
  const item = document.paths[path] ?? {};
  return ORDER.flatMap((method) => (item[method] === undefined ? [] : [[method, item[method]] as const]));
}

/** Returns the paths of tables, without other paths of the server. */
function tablePaths(): string[] {
  return Object.keys(document.paths).filter((path) => !/^\/(?:api\/v1\/realtime|_)\//.test(path));
}

function tablesIn(): string[] {
  return [...new Set(tablePaths().map((path) => path.split('/')[1] as string))];
}

/** Removes values that conflict with another record: the id and unique fields. */
function withoutId(body: unknown): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const { id: _id, n: _n, code: _code, ...rest } = body as Record<string, unknown>;
  return rest;
}

describe('the OpenAPI document', () => {
  test('describes every operation on a record correctly', async () => {
    for (const path of tablePaths().filter((it) => it.endsWith('/{id}'))) {
      const writes = document.paths[path]?.put !== undefined && document.paths[path.slice(0, -5)]?.post !== undefined;
      for (const seed of [1, 2, 3, 4, 5]) {
        for (const [method, operation] of operationsOf(path)) {
          if (streamsOnly(operation)) continue;
          const url = base + path.replace('{id}', String(EMPTY_ID));
          const body = exampleBody(operation, seed);
          const json = method === 'post' ? body : withoutId(body);
          const publish = method === 'post' ? '?publish=true' : '';
          const answer = await ask(method.toUpperCase(), url + publish, body === undefined ? {} : { json });
          expectDocumented(operation, answer);
          if (writes) expect(answer.status, `${operation.operationId}: ${answer.text}`).toBeLessThan(300);
        }
      }
    }
  });

  test('describes every operation on a table correctly', async () => {
    const done: string[] = [];
    for (const path of tablePaths().filter((it) => !it.endsWith('/{id}'))) {
      for (const [method, operation] of operationsOf(path)) {
        if (streamsOnly(operation)) continue;
        const publish = operation.operationId.startsWith('publish') ? '?publish=true' : '';
        const all = method === 'patch' || method === 'delete' ? '?all=true' : publish;
        const body = exampleBody(operation, 7);
        const json = method === 'patch' ? withoutId(body) : body;
        const answer = await ask(method.toUpperCase(), base + path + all, body === undefined ? {} : { json });
        expectDocumented(operation, answer);
        expect(answer.status, `${operation.operationId}: ${answer.text}`).toBeLessThan(300);
        done.push(operation.operationId);
      }
    }
    expect(done).toEqual(expect.arrayContaining(['listThing', 'createThing', 'createNumber', 'publishOnlyPublish']));
  });

  test('describes streams correctly', async () => {
    const watched = tablePaths().flatMap((path) =>
      operationsOf(path)
        .filter(([method]) => method === 'get')
        .map(([, get]) => [path, get] as const),
    );
    const streams: string[] = [];
    for (const [path, { operationId, responses }] of watched) {
      const url = `${base}${path.replace('{id}', '1')}?stream=sse`;
      const controller = new AbortController();
      const { status, headers } = await fetch(url, { signal: controller.signal });
      controller.abort();
      const content = Object.keys((responses[200] as { content?: Part }).content ?? {});
      const isDocumented = content.includes('text/event-stream');
      expect([operationId, status === 200]).toEqual([operationId, isDocumented]);
      if (isDocumented) expect(headers.get('content-type')).toMatch(/^text\/event-stream/);
      if (isDocumented) streams.push(operationId);
    }
    expect(streams).toEqual([
      'listThing',
      'getThing',
      'listNumber',
      'getNumber',
      'watchOnlyStream',
      'watchOneOnlyStream',
    ]);
  });

  test('names every property of a record in a response', async () => {
    const thing = sample({ $ref: '#/components/schemas/Thing.create' }, 9);
    const { record } = await ask('POST', `${base}/Thing`, { json: thing });
    const schema = document.components.schemas.Thing as { properties: Part };
    expect(Object.keys(record).toSorted()).toEqual(Object.keys(schema.properties).toSorted());
  });

  test('documents the response to every kind of error', async () => {
    const operation = (id: string) =>
      Object.values(document.paths)
        .flatMap((item) => Object.values(item))
        .find((it) => it.operationId === id) as Operation;
    const number = { n: 77, v: 'x' };
    await ask('POST', `${base}/numbers.all`, { json: number });
    const asked: [string, number, Promise<Answer>][] = [
      ['createNumber', 409, ask('POST', `${base}/numbers.all`, { json: number })],
      [
        'createNumber',
        400,
        ask('POST', `${base}/numbers.all`, { body: '{', headers: { 'content-type': 'application/json' } }),
      ],
      [
        'createNumber',
        415,
        ask('POST', `${base}/numbers.all`, { body: '<a/>', headers: { 'content-type': 'text/xml' } }),
      ],
      ['createNumber', 413, ask('POST', `${base}/numbers.all`, { json: { n: 1, v: 'x'.repeat(2 ** 20) } })],
      ['replaceNumber', 412, ask('PUT', `${base}/numbers.all/77`, { json: {}, headers: { 'if-none-match': '*' } })],
      ['replaceNumber', 204, ask('PUT', `${base}/numbers.all/77`, { json: {}, headers: { prefer: 'return=minimal' } })],
      ['mergeNumber', 404, ask('PATCH', `${base}/numbers.all/78`, { json: {} })],
      ['deleteNumber', 412, ask('DELETE', `${base}/numbers.all/77`, { headers: { 'if-match': '"1"' } })],
      [
        'mergeAllNumber',
        204,
        ask('PATCH', `${base}/numbers.all?n==77`, { json: {}, headers: { prefer: 'return=minimal' } }),
      ],
      ['deleteAllNumber', 204, ask('DELETE', `${base}/numbers.all?n==76`, { headers: { prefer: 'return=minimal' } })],
      ['getNumber', 400, ask('GET', `${base}/numbers.all/x`)],
      ['getNumber', 404, ask('GET', `${base}/numbers.all/79`)],
      ['getNumber', 304, ask('GET', `${base}/numbers.all/77`, { headers: { 'if-none-match': '*' } })],
      ['listNumber', 400, ask('GET', `${base}/numbers.all?nothing=1`)],
      ['listNumber', 400, ask('GET', `${base}/numbers.all?stream=sse&since=x`)],
      ['listNumber', 414, ask('GET', `${base}/numbers.all?v=${'x'.repeat(9000)}`)],
      ['publishToThing', 405, ask('POST', `${base}/Thing/1`, { json: {} })],
      ['replaceNoCreate', 403, ask('PUT', `${base}/NoCreate/1`, { json: { t: 'x' } })],
    ];
    for (const [id, status, answering] of asked) {
      const answer = await answering;
      expect([id, answer.status]).toEqual([id, status]);
      expectDocumented(operation(id), answer);
    }
  });

  test('leaves out operations that do not exist', async () => {
    const methods = ['get', 'post', 'put', 'patch', 'delete'];
    expect(tablesIn()).toEqual(['Thing', 'numbers.all', 'ReadOnly', 'OnlyPublish', 'OnlyStream', 'NoCreate']);
    for (const table of [...tablesIn(), 'Nothing']) {
      for (const path of [`/${table}`, `/${table}/{id}`]) {
        const missing = methods.filter((method) => document.paths[path]?.[method] === undefined);
        for (const method of missing) {
          const json = method === 'get' || method === 'delete' ? {} : { json: {} };
          const { status, text } = await ask(method.toUpperCase(), base + path.replace('{id}', '5'), json);
          // No caller may do it, there is no such method, or REST is off.
          expect([403, 405, ...(table === 'OnlyStream' ? [404] : [])], `${method} ${path} ${text}`).toContain(status);
        }
      }
    }
  });

  test('names only existing codes', () => {
    const codes = [...JSON.stringify(document.components).matchAll(/"code":\{[^}]*?"enum":\[([^\]]*)\]/g)];
    const named = codes.flatMap(([, list]) => JSON.parse(`[${list}]`) as string[]);
    expect(named.length).toBeGreaterThan(30);
    expect(named.filter((code) => !Object.hasOwn(ERRORS, code))).toEqual([]);
  });

  test('has a stable and unique id for every operation', () => {
    const ids = Object.values(document.paths).flatMap((item) =>
      Object.values(item).flatMap((it) => it.operationId ?? []),
    );
    expect(new Set(ids).size).toBe(ids.length);
    const stable = ['list', 'create', 'get', 'replace', 'merge', 'delete'].map((verb) => `${verb}Number`);
    expect(ids).toEqual(expect.arrayContaining(stable));
  });
});

describe('the AsyncAPI document', () => {
  test('describes every frame and every message of clients correctly', async () => {
    const { record } = await ask('GET', `${base}/asyncapi.json`);
    const asyncApi = record as unknown as Part;
    const frames = new Ajv2020({ strict: false, allErrors: true });
    addFormats.default(frames);
    frames.addSchema(absolute(asyncApi), 'document');
    const messages = (resolve(asyncApi, '#/components/messages') ?? {}) as Readonly<Record<string, { payload: Part }>>;
    const isSent = (payload: unknown, isOne: (name: string) => boolean) =>
      Object.entries(messages)
        .filter(([name]) => isOne(name))
        .filter(([, message]) => frames.validate(absolute(message.payload), payload))
        .map(([name]) => name);
    const address = base.replace('http', 'ws');
    using socket = await WsClient.subscribe(`${address}/Thing?since=0`);
    const thing = sample({ $ref: '#/components/schemas/Thing.replace' }, 11) as object;
    const data = { ...thing, id: 'by-socket', code: null };
    const sent = [
      data,
      { message_type: 'Update', id: 'by-socket', data: { ...data, size: 5 }, ref: 1 },
      { message_type: 'Publish', data: { any: 'thing' }, ref: 'two' },
      { message_type: 'Delete', id: 'by-socket', ref: 3 },
    ];
    for (const message of sent) {
      expect(
        isSent(message, (name) => name.startsWith('Thing.client.')),
        JSON.stringify(message),
      ).not.toEqual([]);
      socket.send(message);
    }
    socket.send({ message_type: 'Nothing', ref: 4 });
    await socket.control('error', 4);
    await socket.changes.next(({ message_type }) => message_type === 'Delete');
    const named = socket.texts.map((text) => {
      const names = isSent(JSON.parse(text), (name) => !name.includes('.client.') && /^(?:Thing\.|_)/.test(name));
      expect(names, text).toHaveLength(1);
      return names[0];
    });
    expect([...new Set(named)].toSorted()).toEqual(
      [
        'Thing.Update',
        'Thing.Delete',
        'Thing.Publish',
        'Thing.Retained',
        '_ready',
        '_reset',
        '_ack',
        '_error',
      ].toSorted(),
    );
  });
});

function streamsOnly({ operationId }: Operation): boolean {
  return operationId.startsWith('watch');
}

describe('the addresses of the documents', () => {
  test.each(['openapi.json', 'asyncapi.json', 'docs'])(
    '%s is the same every time, and 304 for who has it',
    async (name) => {
      const first = await ask('GET', `${base}/${name}`);
      const etag = first.headers.get('etag') ?? '';
      expect((await ask('GET', `${base}/${name}`)).text).toBe(first.text);
      const again = await ask('GET', `${base}/${name}`, { headers: { 'if-none-match': `"x", ${etag}` } });
      expect([again.status, again.text]).toEqual([304, '']);
    },
  );

  test('the page loads nothing from other origins and has no inline code', async () => {
    const { headers, text } = await ask('GET', `${base}/docs`);
    const policy = headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; /);
    expect(policy).not.toContain('unsafe');
    expect(text).not.toMatch(/<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|(?:src|href)="(?:https?:)?\/\//);
    const watched = [...text.matchAll(/data-channel="([^"]+)"/g)].map(([, channel]) => channel);
    expect(watched).toEqual(['Thing', 'numbers.all', 'OnlyStream']);
  });

  test('serve only the files of the page from the package', async () => {
    const page = (await ask('GET', `${base}/docs`)).text;
    const files = [...page.matchAll(/(?:href|src)="(docs\/[^"]+)"/g)].map(([, file]) => file as string);
    expect(files).toHaveLength(5);
    for (const file of files) {
      const { status, headers } = await ask('GET', `${base}/${file}`);
      expect([status, headers.get('cache-control')]).toEqual([200, 'public, max-age=31536000, immutable']);
      expect(headers.get('content-type')).toMatch(/^(?:text\/(?:css|javascript)|image\/png)/);
    }
    for (const file of ['index.html', 'swagger-ui.js', '..%2fpackage.json', '__proto__']) {
      expect((await ask('GET', `${base}/docs/${file}`)).status).toBe(404);
    }
    expect((await ask('GET', `${base}/docs/`)).headers.get('location')).toBe('../docs');
  });
});

test('docs: false turns them off', async () => {
  const other = mkdtempSync(join(tmpdir(), 'tablecast-contract-off-'));
  writeFileSync(join(other, 'schema.graphql'), 'type A @table @export { id: ID! @primaryKey }');
  writeFileSync(join(other, 'config.yaml'), `${CONFIG}docs: false\n`);
  const running = await startServer({ dir: other, env: {}, allowDestructive: false });
  for (const path of ['docs', 'docs/page.js', 'openapi.json', 'asyncapi.json']) {
    expect((await ask('GET', `${running.url}/my-app/${path}`)).status).toBe(404);
  }
  await running.close();
  rmSync(other, { recursive: true, force: true });
});
