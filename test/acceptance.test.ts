import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';

const FUNCTIONS: ReadonlySet<string> = new Set(['test', 'it', 'describe']);
const ITEM = /^(?:S[0-4]\.\d+|[A-GIV]\d{1,2})\b/;

interface Row {
  readonly item: string;
  readonly title: string;
  readonly file: string;
}

/** Titles of all tests and groups, by file below `test`. */
function readTitles(): ReadonlyMap<string, ReadonlySet<string>> {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' });
  const tests = files.filter((file) => file.endsWith('.ts') && !file.includes('node_modules'));
  return new Map(tests.map((file) => [file, new Set(titlesIn(file))]));
}

function titlesIn(file: string): string[] {
  const text = readFileSync(join(import.meta.dirname, file), 'utf8');
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && FUNCTIONS.has(rootOf(node.expression))) {
      const [title] = node.arguments;
      if (title !== undefined && ts.isStringLiteralLike(title)) titles.push(title.text);
      else if (title !== undefined && ts.isTemplateExpression(title)) titles.push(title.getText().slice(1, -1));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  return titles;
}

/** The function that a call begins with: `test` of `test.each([…])(…)`. */
function rootOf(expression: ts.Expression): string {
  if (ts.isIdentifier(expression)) return expression.text;
  if (ts.isPropertyAccessExpression(expression) || ts.isCallExpression(expression))
    return rootOf(expression.expression);
  return '';
}

function readTable(): Row[] {
  const lines = readFileSync(join(import.meta.dirname, 'ACCEPTANCE.md'), 'utf8').split('\n');
  return lines.flatMap((line) => {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll('\\|', '|'));
    const [, item = '', title = '', link = ''] = cells;
    if (!ITEM.test(item)) return [];
    return [{ item, title, file: /\((.*)\)$/.exec(link)?.[1] ?? '' }];
  });
}

describe('the acceptance table', () => {
  const titles = readTitles();
  const rows = readTable();

  test('names tests that are there', () => {
    expect(rows.length).toBeGreaterThan(400);
    expect(rows.filter(({ title, file }) => titles.get(file)?.has(title) !== true)).toEqual([]);
  });

  test('has every item of tables, rooms, routes and the multiplexed protocol', () => {
    const items = new Set(rows.map(({ item }) => item));
    const last = { S0: 48, S1: 22, S2: 11, S3: 22, S4: 34 };
    const expected = Object.entries(last).flatMap(([group, count]) =>
      Array.from({ length: count }, (_, index) => `${group}.${index + 1}`),
    );
    expect(expected.filter((item) => !items.has(item))).toEqual([]);
  });

  test('is the only place of the items: titles say what they test', () => {
    const found = [...titles].flatMap(([file, all]) => [...all].filter((it) => ITEM.test(it)).map((it) => [file, it]));
    expect(found).toEqual([]);
  });
});
