import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { makeAsyncApi } from '../../src/openapi/asyncapi/asyncapi.ts';
import { makeOpenApi } from '../../src/openapi/openapi.ts';
import { RecordParser } from '../../src/resources/body/record-parser.ts';
import { LIMITS } from '../query/tables.ts';
import { planOf } from '../schema/mistakes.ts';
import { arbitraryOf } from './arbitrary.ts';
import { EVERYTHING, sourceOf } from './documents.ts';
import { asyncApiMistakes, openApiMistakes } from './valid.ts';

const SCALARS = ['ID', 'String', 'Int', 'Float', 'Boolean', 'Date', 'Long', 'JSON', 'Kind', 'Place'];
const wrapped = fc
  .record({
    name: fc.constantFrom(...SCALARS),
    lists: fc.integer({ min: 0, max: 2 }),
    bang: fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }),
  })
  .map(({ name, lists, bang }) => {
    let text = name;
    for (let level = 0; level < lists; level++) text = `[${text}${bang[level] ? '!' : ''}]`;
    return text + (bang[2] ? '!' : '');
  });
const stamps = fc.constantFrom('', '', 'made: Date @createdTime', 'made: Long! @updatedTime', 'made: Date @expiresAt');
const exported = fc
  .record({
    rest: fc.boolean(),
    sse: fc.boolean(),
    ws: fc.boolean(),
    actions: fc.subarray(['read', 'create', 'update', 'delete', 'subscribe', 'publish']),
  })
  .map(
    ({ rest, sse, ws, actions }) => `@export(rest: ${rest}, sse: ${sse}, ws: ${ws}, public: [${actions.join(', ')}])`,
  );
const table = fc
  .record({
    key: fc.constantFrom('ID', 'String', 'Int', 'Long'),
    fields: fc.array(wrapped, { maxLength: 6 }),
    stamp: stamps,
    exported,
  })
  .map(({ key, fields, stamp, exported: directive }) => ({
    directive,
    text: `id: ${key}! @primaryKey ${fields.map((type, index) => `f${index}: ${type}`).join(' ')} ${stamp}`,
  }));
const schemas = fc
  .array(table, { minLength: 1, maxLength: 4 })
  .map((tables) =>
    [
      'enum Kind { A B } type Place { city: String! zip: Int inner: Inner } type Inner { note: [String!]! }',
      ...tables.map(({ directive, text }, index) => `type T${index} @table ${directive} { ${text} }`),
    ].join('\n'),
  );

test('the documents of any schema are valid', async () => {
  await fc.assert(
    fc.asyncProperty(schemas, async (text) => {
      const source = sourceOf(planOf(text));
      expect(await openApiMistakes(makeOpenApi(source))).toEqual([]);
      expect(await openApiMistakes(makeOpenApi({ ...source, capabilities: EVERYTHING }, { media: 'all' }))).toEqual([]);
      expect(asyncApiMistakes(makeAsyncApi(source))).toEqual([]);
      expect(JSON.stringify(makeOpenApi(sourceOf(planOf(text))))).toBe(JSON.stringify(makeOpenApi(source)));
    }),
    { numRuns: 10, endOnFailure: true },
  );
});

test('bodies that a document describes are accepted, and others are refused', () => {
  fc.assert(
    fc.property(schemas, fc.gen(), (text, gen) => {
      const plan = planOf(text);
      const document = makeOpenApi(sourceOf(plan));
      for (const table of plan.tables) {
        const parser = new RecordParser(table, { ...LIMITS, id: 256 });
        const whole = gen(() => arbitraryOf({ $ref: `#/components/schemas/${table.name}.create` }, document)) as object;
        const part = gen(() => arbitraryOf({ $ref: `#/components/schemas/${table.name}.merge` }, document)) as object;
        parser.parseFull(whole);
        parser.parsePatch(part);
        expect(() => parser.parseFull({ ...whole, unheardOf: 1 })).toThrow(AppError);
        if (table.fields.some(({ stamp }) => stamp !== undefined)) {
          expect(() => parser.parsePatch({ ...part, made: '2025-01-01' })).toThrow(AppError);
        }
      }
    }),
    { numRuns: 60, endOnFailure: true },
  );
});
