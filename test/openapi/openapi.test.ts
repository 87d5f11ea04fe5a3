import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import { makeAsyncApi } from '../../src/openapi/asyncapi/asyncapi.ts';
import { makeOpenApi } from '../../src/openapi/openapi.ts';
import type { Part } from '../../src/openapi/schemas/schemas.ts';
import type { FieldPlan, Plan, TablePlan } from '../../src/schema/plan.ts';
import { planOf } from '../schema/mistakes.ts';
import { EVERY_KIND, EVERYTHING, sourceOf } from './documents.ts';
import { asyncApiMistakes, openApiMistakes, resolve } from './valid.ts';

describe('the documents', () => {
  test.each([
    ['every type and directive', EVERY_KIND],
    ['one table', 'type T @table @export { id: ID! @primaryKey }'],
    ['no URL at all', 'type T @table { id: ID! @primaryKey }'],
    [
      'fields with the names of parameters',
      'type T @table @export { id: ID! @primaryKey cursor: Int count: Int all: Int stream: Int sort: Int }',
    ],
  ])('of %s are valid', async (_name, schema) => {
    const plan = planOf(schema);
    expect(await openApiMistakes(makeOpenApi(sourceOf(plan)))).toEqual([]);
    expect(await openApiMistakes(makeOpenApi(sourceOf(plan, EVERYTHING), { media: 'all' }))).toEqual([]);
    expect(asyncApiMistakes(makeAsyncApi(sourceOf(plan)))).toEqual([]);
    expect(asyncApiMistakes(makeAsyncApi({ ...sourceOf(plan), live: true }))).toEqual([]);
    expect(asyncApiMistakes(makeAsyncApi(sourceOf(plan, EVERYTHING)))).toEqual([]);
  });

  test('describe authentication and the operations that need rights', async () => {
    const plan = planOf(
      'type T @table @export(public: [read]) @access(create: "editor", update: []) { id: ID! @primaryKey n: Int @access(read: "editor") }',
    );
    const open = makeOpenApi(sourceOf(plan));
    const asked = makeOpenApi({ ...sourceOf(plan), auth: true });
    expect(await openApiMistakes(asked)).toEqual([]);
    expect([open.security, asked.security]).toEqual([[], [{ bearer: [] }, {}]]);
    const { get, post, patch } = (asked.paths as Record<string, Record<string, Operation | undefined>>)['/T'] ?? {};
    expect([get, post, patch].map((operation) => operation !== undefined)).toEqual([true, true, false]);
    expect(Object.keys((get as unknown as { responses: object }).responses)).toContain('401');
  });

  test('have the audit log where there is one', async () => {
    const sdl = 'type T @table @audit @export(ws: false) { id: ID! @primaryKey }';
    const source = sourceOf(planOf(sdl));
    const audited = makeOpenApi(source);
    for (const document of [audited, makeOpenApi({ ...source, auth: true })]) {
      expect(await openApiMistakes(document)).toEqual([]);
    }
    expect(Object.keys(audited.paths as object)).toEqual(['/T', '/T/{id}', '/_/audit']);
    const document = audited as Part & { components: { schemas: Record<string, Part> } };
    const entry = {
      seq: 1_795_238_029_121_000,
      time: '2026-11-21T05:13:49.121Z',
      by: { type: 'principal', sub: 'ada', roles: ['editor'], key: 'k1' },
      op: 'update',
      table: 'T',
      id: 'a',
      changes: { name: { before: 'a', after: null }, pin: { hidden: true } },
    };
    expectValid(document, [[document.components.schemas._AuditEntry as Part, entry]]);
    const plain = makeOpenApi(sourceOf(planOf(sdl.replace('@audit', ''))));
    expect(JSON.stringify(plain)).not.toContain('udit');
  });

  test('have examples that fit their schemas', () => {
    const source = sourceOf(planOf(EVERY_KIND), EVERYTHING);
    const openApi = makeOpenApi(source);
    const bodies = Object.values(openApi.paths as Record<string, Record<string, Operation>>)
      .flatMap((item) =>
        Object.values(item).flatMap(({ requestBody, responses = {} }) => [
          requestBody?.content['application/json'] ?? [],
          ...Object.values(responses).map(({ content }) => content?.['application/json'] ?? []),
        ]),
      )
      .flat()
      .map((media) => media as { readonly schema: Part; readonly example?: unknown })
      .flatMap(({ schema, example }) => (example === undefined ? [] : [[schema, example] as const]));
    expect(bodies.length).toBeGreaterThan(15);
    expectValid(openApi, bodies);
    const asyncApi = makeAsyncApi(source);
    const messages = (asyncApi.components as { messages: Record<string, Message> }).messages;
    const payloads = Object.values(messages).flatMap(({ payload, examples }) =>
      examples.map((example) => [payload, example.payload] as const),
    );
    expect(payloads.length).toBeGreaterThan(15);
    expectValid(asyncApi, payloads);
  });

  test('name every model of AsyncAPI, for code generators', () => {
    const document = makeAsyncApi(sourceOf(planOf(EVERY_KIND), EVERYTHING));
    const { messages, schemas } = document.components as {
      messages: Record<string, Message>;
      schemas: Record<string, Part>;
    };
    for (const { payload } of Object.values(messages)) expect(Object.keys(payload)).toEqual(['$ref']);
    const untitled: string[] = [];
    const visit = (schema: Part, path: string): void => {
      if ('$ref' in schema) return;
      if (schema.title === undefined) untitled.push(path);
      const {
        properties = {},
        items,
        anyOf = [],
      } = schema as { properties?: Record<string, Part>; items?: Part; anyOf?: Part[] };
      for (const [name, one] of Object.entries(properties)) visit(one, `${path}.${name}`);
      for (const one of [...anyOf, ...(items === undefined ? [] : [items])]) visit(one, `${path}[]`);
    };
    for (const [name, schema] of Object.entries(schemas)) visit(schema, name);
    expect(untitled).toEqual([]);
    expect(schemas['Thing.client.Update.message']?.title).toBe('ThingClientUpdateMessage');
  });

  test('have types from which code generators make the right types', () => {
    const schemas = schemasOf(planOf(EVERY_KIND));
    const { any, extra, big, long } = schemas.Thing?.properties ?? {};
    expect([any, extra]).toEqual([{ description: 'Any JSON value except null.' }, { description: 'Any JSON value.' }]);
    const whole = { type: 'integer', format: 'int64', minimum: -(2 ** 53 - 1), maximum: 2 ** 53 - 1 };
    const digits = { type: 'string', pattern: '^-?(0|[1-9][0-9]*)$' };
    expect(big).toEqual({ anyOf: [whole, digits] });
    expect(long).toEqual({ anyOf: [whole, digits, { type: 'null' }] });
  });

  test('describe the same field everywhere as it is there', () => {
    const schemas = schemasOf(planOf(EVERY_KIND));
    expect(schemas.Thing?.required).toEqual(Object.keys(schemas.Thing?.properties ?? {}));
    expect(schemas.Thing?.properties.createdAt).toEqual({
      type: ['string', 'null'],
      format: 'date-time',
      description: 'Set by the server when the record is created.',
      readOnly: true,
    });
    expect(schemas.Thing?.properties.label).toEqual({
      type: ['string', 'null'],
      description: 'Computed from other fields when the record is written.',
      readOnly: true,
    });
    expect(schemas['Thing.create']?.properties).not.toHaveProperty('label');
    expect(schemas['Thing.merge']?.properties).not.toHaveProperty('total');
    expect(schemas.Thing?.properties.name).toEqual({ type: 'string', description: 'What it is called.' });
    expect(schemas['Thing.create']?.properties.count).toMatchObject({ type: 'integer', default: 3 });
    expect(schemas['Thing.merge']?.properties.count).not.toHaveProperty('default');
    expect(schemas['Thing.create']).toMatchObject({ additionalProperties: false });
    expect(schemas['Thing.create']?.required).not.toContain('id');
    expect(schemas['Thing.create']?.required).not.toContain('count');
    expect(schemas['Thing.create']?.properties).not.toHaveProperty('createdAt');
    expect(schemas['Number.create']?.required).toEqual(['n']);
    expect(schemas['Number.replace']).not.toHaveProperty('required');
    expect(schemas['Place.input']?.required).toEqual(['city', 'tags', 'inner']);
  });
});

describe('features of a plan', () => {
  test('composite unique indexes are described with the record, unless a field is hidden', () => {
    const plan = planOf(`"A seat." type Seat @table @export
      @compositeIndex(fields: ["row", "place"], unique: true) @compositeIndex(fields: ["row", "id"])
      @compositeIndex(fields: ["row", "secret"], unique: true)
      { id: ID! @primaryKey row: Int place: Int secret: String @hidden }`);
    const description = 'A seat.\n\nNo two records have the same in `row`, `place` together.';
    expect(schemasOf(plan).Seat).toMatchObject({ description });
  });

  test('hidden fields can be written and are never returned', async () => {
    const plan = withFields('type T @table @export { id: ID! @primaryKey secret: String! }', ({ name }) => ({
      hidden: name === 'secret',
    }));
    const schemas = schemasOf(plan);
    expect(schemas.T?.properties).not.toHaveProperty('secret');
    expect(schemas.T?.required).toEqual(['id']);
    expect(schemas['T.create']?.properties.secret).toMatchObject({ type: 'string', writeOnly: true });
    const get = JSON.stringify((makeOpenApi(sourceOf(plan)).paths as Record<string, Part>)['/T']?.get);
    expect(get).not.toContain('secret');
    expect(await openApiMistakes(makeOpenApi(sourceOf(plan)))).toEqual([]);
    const messages = JSON.stringify(
      (makeAsyncApi(sourceOf(plan)).components as { messages: Record<string, Part> }).messages['T.Update'],
    );
    expect(messages).not.toContain('secret');
  });

  test('relations can be selected, are not in request bodies and add the schema of their table', async () => {
    const plan = planOf(
      'type A @table @export { id: ID! @primaryKey } type B @table @export { id: ID! @primaryKey } type C @table { id: ID! @primaryKey }',
    );
    const [a, b, c] = plan.tables as [TablePlan, TablePlan, TablePlan];
    const at = a.at;
    const relations = [
      { name: 'one', target: b, many: false, at, description: 'The only one.' },
      { name: 'all', target: b, many: true, at },
      { name: 'secret', target: c, many: true, at },
    ];
    const related = { ...plan, tables: [{ ...a, relations }, b, c] };
    const document = makeOpenApi(sourceOf(related));
    expect(await openApiMistakes(document)).toEqual([]);
    const schemas = schemasOf(related);
    expect(schemas.A?.required).toEqual(['id']);
    const { properties, required } = schemas['A.selected'] ?? {};
    expect(properties?.all).toEqual({ type: 'array', items: { $ref: '#/components/schemas/B.related' } });
    expect(properties?.one).toMatchObject({ description: 'The only one.' });
    // Every response to a select has the key; a related record has no field that is always present.
    expect([required, schemas['B.related']?.required]).toEqual([['id'], undefined]);
    expect(schemas.A?.properties).not.toHaveProperty('one');
    expect(schemas['A.create']?.properties).not.toHaveProperty('one');
    expect(Object.keys(schemas)).toContain('B');
    expect(JSON.stringify(document)).not.toContain('secret');
    expect(Object.keys(schemas)).not.toContain('C');
    expect(JSON.stringify(document.paths)).toContain('Also records of other tables: `one{id}`, `all{id}`.');
  });

  test('a table that cannot be read has no read operation, and its stream is described alone', () => {
    const plan = planOf('type T @table @export(public: [subscribe]) { id: ID! @primaryKey }');
    const { paths } = makeOpenApi(sourceOf(plan)) as { paths: Record<string, Record<string, Operation>> };
    expect(Object.keys(paths['/T'] ?? {})).toEqual(['get']);
    expect(paths['/T']?.get?.operationId).toBe('watchT');
    expect(Object.keys(paths['/T']?.get?.responses['200']?.content ?? {})).toEqual(['text/event-stream']);
  });

  test('other content types than JSON are described where they are supported', () => {
    const source = sourceOf(
      planOf('type T @table @export(public: [read, create, update, subscribe]) { id: ID! @primaryKey }'),
      EVERYTHING,
    );
    const { paths } = makeOpenApi(source, { media: 'all' }) as { paths: Record<string, Record<string, Operation>> };
    const { get, post, patch } = paths['/T'] as Record<string, Operation>;
    const rows = ['application/x-ndjson', 'text/csv'];
    expect(Object.keys(get?.responses['200']?.content ?? {})).toEqual([...EVERYTHING.mediaTypes, 'text/event-stream']);
    expect(Object.keys(post?.requestBody?.content ?? {})).toEqual(EVERYTHING.mediaTypes);
    expect(Object.keys(paths['/T/{id}']?.put?.requestBody?.content ?? {})).toEqual(
      EVERYTHING.mediaTypes.filter((type) => !rows.includes(type)),
    );
    expect(JSON.stringify(get)).toMatch(/parameters\/count.*"name":"cursor".*parameters\/delta/);
    expect(JSON.stringify(post)).toContain('parameters/idempotencyKey');
    expect(JSON.stringify(patch)).toMatch(/parameters\/all.*parameters\/prefer.*parameters\/idempotencyKey/);
    // The table does not allow delete.
    expect(Object.keys(paths['/T'] ?? {})).toEqual(['get', 'x-query', 'post', 'patch']);
    const plain = makeOpenApi(
      { ...source, capabilities: { ...EVERYTHING, mediaTypes: ['application/json'], bulk: false, idempotency: false } },
      { media: 'all' },
    );
    expect(JSON.stringify(plain)).not.toMatch(/csv|Idempotency-Key|mergeAll/);
    // Code generators make worse clients from a response with several content types.
    const json = makeOpenApi(source);
    const types = [...JSON.stringify(json.paths).matchAll(/"content":\{"([^"]+)"/g)].map(([, type]) => type);
    expect(new Set(types)).toEqual(new Set(['application/json']));
    expect(JSON.stringify(json)).not.toMatch(/ndjson|text\/csv|parameters\/(?:since|stream|delta)/);
  });

  test('every write accepts an Idempotency-Key', () => {
    const source = sourceOf(
      planOf('type T @table @export(public: [read, delete, publish]) { id: ID! @primaryKey }'),
      EVERYTHING,
    );
    const { paths } = makeOpenApi(source) as { paths: Record<string, Record<string, Operation>> };
    const [all, one] = [paths['/T'], paths['/T/{id}']];
    for (const operation of [all?.post, all?.delete, one?.post, one?.delete]) {
      expect(JSON.stringify(operation)).toContain('parameters/idempotencyKey');
    }
  });

  test('operations have different ids whatever the names of tables', () => {
    const table = (name: string) => `type ${name} @table @export { id: ID! @primaryKey }`;
    const { paths } = makeOpenApi(sourceOf(planOf(`${table('X')} ${table('AllX')}`), EVERYTHING));
    const ids = [...JSON.stringify(paths).matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids).toContain('deleteAllX_');
  });
});

interface Operation {
  readonly operationId: string;
  readonly requestBody?: {
    readonly content: Readonly<Record<string, { readonly schema: Part; readonly example?: unknown }>>;
  };
  readonly responses: Readonly<Record<string, { readonly content?: Part }>>;
}

interface Message {
  readonly payload: Part;
  readonly examples: readonly { readonly payload: unknown }[];
}

interface ObjectSchema {
  readonly properties: Readonly<Record<string, Part>>;
  readonly required?: readonly string[];
}

function schemasOf(plan: Plan): Readonly<Record<string, ObjectSchema>> {
  return resolve(makeOpenApi(sourceOf(plan)), '#/components/schemas') as Record<string, ObjectSchema>;
}

/** Returns the plan of a schema with changed properties of its fields. */
function withFields(schema: string, change: (field: FieldPlan) => Partial<FieldPlan>): Plan {
  const plan = planOf(schema);
  const tables = plan.tables.map((table) => {
    const fields = table.fields.map((field) => (field.primaryKey ? field : { ...field, ...change(field) }));
    return { ...table, fields };
  });
  return { ...plan, tables };
}

function expectValid(document: Part, values: readonly (readonly [schema: Part, value: unknown])[]): void {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  const absolute = (part: Part) =>
    JSON.parse(JSON.stringify(part).replaceAll('"$ref":"#/', '"$ref":"document#/')) as Part;
  ajv.addSchema(absolute(document), 'document');
  for (const [schema, value] of values) {
    const isValid = ajv.compile(absolute(schema));
    expect(isValid(value) ? [] : isValid.errors, JSON.stringify(value)).toEqual([]);
  }
}
