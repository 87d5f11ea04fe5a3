import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SSE } from '../../src/connectors/rooms/sse.ts';
import { WEBSOCKET } from '../../src/connectors/rooms/websocket.ts';
import { formatFlatKeys } from '../support/key-table.ts';

test('the first tables in docs/reference/connectors/rooms.md are those of the keys', () => {
  const docs = readFileSync(new URL('../../docs/reference/connectors/rooms.md', import.meta.url), 'utf8');
  const tables = docs.match(/(^\|.*\n)+/gm)?.map((table) => table.trim());
  expect(tables?.slice(0, 2)).toEqual([formatFlatKeys(WEBSOCKET.keys), formatFlatKeys(SSE.keys)]);
});
