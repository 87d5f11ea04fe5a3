import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { makeHandle } from '../../src/resources/table/make-handle.ts';
import { makeDeclarations } from '../../src/typegen/declarations.ts';
import { PropertyHarness } from '../property/harness.ts';
import { planOf } from '../schema/mistakes.ts';
import { compile } from './compile.ts';

const read = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');
const typesOf = (sdl: string) => makeDeclarations(planOf(sdl));

/** Schema whose type names are reserved in TypeScript or collide with names in the declarations. */
const WORDS = `any asserts await abstract bigint boolean break case catch class const constructor continue debugger
  declare default delete do else export extends finally for function if implements import in infer instanceof interface
  intrinsic keyof let never new number object package private protected public readonly return static string super
  switch symbol this throw try typeof undefined unique unknown var void while with yield as async from get global is
  module namespace of out override require satisfies set type using accessor Record Array Promise Exclude Partial Omit
  Tables TableHandle Identity JsonValue NewA WholeA APatch AInput tablecast`
  .split(/\s+/)
  .filter((word) => word !== 'constructor');

describe('types of the tables', () => {
  test('compile, and accept valid code and no other', { timeout: 60_000 }, () => {
    const routes = read('shop-routes.ts.txt');
    expect(routes.match(/@ts-expect-error/g)).toHaveLength(24);
    const files = { 'tablecast-env.d.ts': typesOf(read('shop.graphql')), 'routes.ts': routes };
    expect(compile(files)).toEqual([]);
    // Without them nothing is known of the tables, and the wrong lines are no mistakes of types.
    expect(compile({ 'routes.ts': routes }).length).toBeGreaterThan(15);
  });

  test('have docstrings and the effects of directives as comments', () => {
    const text = typesOf(read('shop.graphql'));
    expect(text).toContain(
      '/**\n * What is said about everything. *\\/ and what follows\n * is still a comment.\n */\n',
    );
    expect(text).toContain('  /** The name that people see. */\n  name: string;');
    expect(text).toContain(
      '  /** Computed from other fields when the record is written. */\n  readonly total: number | null;',
    );
    expect(text).toContain('  /** Default: 1 */\n  count?: number;');
    expect(text).toContain('"shop-items": import(');
    expect(text.match(/Default: 1/g)).toHaveLength(1);
    expect(text).toContain("any: import('tablecast').JsonValue;\n  must: import('tablecast').JsonValue & {};");
    expect(text).toContain("export type State = 'open' | 'done';");
    expect(text.match(/secret/g)).toHaveLength(2);
    expect(typesOf(read('shop.graphql'))).toBe(text);
  });

  test('are those of the records that the server returns', async () => {
    using rig = new PropertyHarness({ sdl: read('shop.graphql') });
    const record = { name: 'a', state: 'open', states: [], must: { a: [1, null] }, places: [{ street: 's' }] };
    const made = await makeHandle(rig.resource('Item')).create(record);
    const [, members = ''] = /^export interface Item \{\n([\s\S]*?)^\}/m.exec(typesOf(read('shop.graphql'))) ?? [];
    const names = [...members.matchAll(/^ {2}(?:readonly )?(\w+)\??:/gm)].map(([, name]) => name);
    expect(Object.keys(made)).toEqual(names.filter((name) => name !== 'maker'));
    const nulls = [...members.matchAll(/^ {2}(?:readonly )?(\w+)\??: (?:.*\| null|.*JsonValue);$/gm)];
    for (const [name, value] of Object.entries(made)) {
      if (value === null) expect(nulls.map(([, nullable]) => nullable)).toContain(name);
    }
    expect(made).toMatchObject({ count: 1, open: true, places: [{ street: 's', zip: '0', country: null }] });
  });

  test('have unique names for any names of types in the schema', { timeout: 60_000 }, () => {
    const tables = WORDS.map(
      (word) => `type ${word} @table @export { id: ID! @primaryKey class: String a: A b: [A!] }`,
    );
    const text = typesOf(`type A { enum: String }\n${tables.join('\n')}`);
    const uses = WORDS.map(
      (word) => `tables.${word}.create({ a: { enum: 'x' } }).then(({ class: text }) => text?.trim());`,
    );
    const routes = `import { defineRoute } from 'tablecast';
export const routes = { all: defineRoute({ handler: ({ tables }) => {
${uses.join('\n')}
// @ts-expect-error: there is no such field
tables.string.create({ b: 1 });
} }) };`;
    expect(compile({ 'tablecast-env.d.ts': text, 'routes.ts': routes })).toEqual([]);
  });

  test('of an application without exported tables are a module, too', { timeout: 60_000 }, () => {
    expect(compile({ 'tablecast-env.d.ts': typesOf('type A @table { id: ID! @primaryKey }') })).toEqual([]);
  });
});
