import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { compileExpression } from '../../src/connectors/flows/expressions/cel.ts';
import { FLOW_KEYS, retryKeys } from '../../src/connectors/flows/read-flows.ts';
import { SCHEDULE_SOURCE_KEYS } from '../../src/connectors/schedule/keys.ts';
import { TABLE_SOURCE_KEYS, tableConnector } from '../../src/connectors/table/connector.ts';
import { formatFlatKeys } from '../support/key-table.ts';

const docs = readFileSync(new URL('../../docs/reference/flows.md', import.meta.url), 'utf8');

test('the tables of keys in docs/reference/flows.md are those of the code', () => {
  const retry = retryKeys({ what: '', keys: {}, failure: 'redelivers' });
  for (const keys of [FLOW_KEYS, retry, TABLE_SOURCE_KEYS, SCHEDULE_SOURCE_KEYS]) {
    expect(docs).toContain(`\n\n${formatFlatKeys(keys as object)}\n\n`);
  }
});

test('every operation of a table is in docs/reference/flows.md', () => {
  const { sources, targets } = tableConnector;
  for (const name of Object.keys(sources.named)) expect(docs).toContain(`\`${name}\``);
  for (const name of Object.keys(targets.named)) expect(docs).toContain(`| \`${name}\` |`);
});

test('the expressions of docs/reference/flows.md are expressions', () => {
  const [, table = ''] = docs.split('| expression | gives |\n| --- | --- |\n');
  const rows = (table.split('\n\n')[0] ?? '').trim().split('\n');
  const expressions = rows.flatMap((row) =>
    [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, it]) => it),
  );
  expect(expressions.length).toBeGreaterThan(10);
  const wrong = expressions.filter((text) => 'message' in compileExpression(text as string, 'any'));
  expect(wrong).toEqual([]);
});
