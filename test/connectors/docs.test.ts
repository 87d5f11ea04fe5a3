import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { ROOM_KEYS } from '../../src/auth/rooms/read.ts';
import type { FlatKeys } from '../../src/config/keys/section.ts';
import { SSE } from '../../src/connectors/rooms/sse.ts';
import { WEBSOCKET } from '../../src/connectors/rooms/websocket.ts';
import { formatFlatKeys } from '../support/key-table.ts';

test('the first tables in docs/reference/connectors/rooms.md are those of the keys', () => {
  const docs = readFileSync(new URL('../../docs/reference/connectors/rooms.md', import.meta.url), 'utf8');
  const tables = docs.match(/(^\|.*\n)+/gm)?.map((table) => table.trim());
  expect(tables?.slice(0, 3)).toEqual(
    [WEBSOCKET.keys, SSE.keys, ROOM_KEYS].map((keys) => formatFlatKeys(keys as FlatKeys<unknown>)),
  );
});
