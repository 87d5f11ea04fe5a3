import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { HTTP_KEYS, REQUEST_KEYS } from '../../src/connectors/http/keys.ts';
import { PUBLISH_KEYS, QUEUE_KEYS, RABBIT_KEYS } from '../../src/connectors/rabbitmq/keys.ts';
import { formatFlatKeys } from '../support/key-table.ts';

test.each([
  ['http.md', [formatFlatKeys(REQUEST_KEYS), formatFlatKeys(HTTP_KEYS)]],
  ['rabbitmq.md', [formatFlatKeys(RABBIT_KEYS), formatFlatKeys(QUEUE_KEYS), formatFlatKeys(PUBLISH_KEYS)]],
])('the tables of keys in docs/reference/connectors/%s are those of the keys', (file, expected) => {
  const docs = readFileSync(new URL(`../../docs/reference/connectors/${file}`, import.meta.url), 'utf8');
  const tables = docs.match(/(^\|.*\n)+/gm)?.map((table) => table.trim()) ?? [];
  expect(tables.filter((table) => table.startsWith('| key |'))).toEqual(expected);
});
