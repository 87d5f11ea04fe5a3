import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { Frame } from '../../src/hub/encode.ts';
import { WriteLock } from '../../src/hub/fan-out/write-lock.ts';
import type { Sink } from '../../src/hub/subscription.ts';
import type { SubscriptionQuery } from '../../src/resources/subscription-query.ts';
import type { TableResource } from '../../src/resources/table/resource.ts';
import { makeEncoding, OPERATIONS, SOCKET_WIRE, streamWire } from '../../src/transports/multiplex/frames.ts';
import { Subscriptions } from '../../src/transports/multiplex/subscriptions.ts';
import { PropertyHarness } from '../property/harness.ts';
import { turns } from '../support/engine.ts';

const FRAME: Frame = { type: 'Update', op: 'update', id: 'a', data: '{"id":"a"}', seq: 1_736_937_000_000_000 };
const ALL = new Set(OPERATIONS);
const WIRE = { key: 'text', pack: (json: string, seq?: number) => Buffer.from(`${seq ?? ''}|${json}`) };
const plain = { collection: 'posts', operations: ALL, positions: false };

test.each([
  [
    {},
    FRAME,
    '{"type":"posts.update","timestamp":"2025-01-15T10:30:00.000Z","data":{"id":"a"},"seq":1736937000000000}',
  ],
  [
    { id: 'é"' },
    FRAME,
    '{"type":"posts.update","timestamp":"2025-01-15T10:30:00.000Z","data":{"id":"a"},"seq":1736937000000000,"id":"é\\""}',
  ],
  [
    {},
    { ...FRAME, type: 'Delete', reason: 'filter' },
    '{"type":"posts.delete","timestamp":"2025-01-15T10:30:00.000Z","data":{"id":"a"},"seq":1736937000000000,"reason":"filter"}',
  ],
] as [object, Frame, string][])('%j: a frame is the JSON of PROTOCOL.md', (more, frame, json) => {
  expect(String(makeEncoding({ ...plain, ...more }, WIRE).frame(frame))).toBe(`${frame.seq}|${json}`);
});

test('operations, published messages and positions that were not asked for are not sent', () => {
  const creates = makeEncoding({ ...plain, operations: new Set(['create']) }, WIRE);
  expect(creates.frame(FRAME)).toBeUndefined();
  expect(creates.frame({ ...FRAME, op: 'create' })).toBeDefined();
  expect(makeEncoding(plain, WIRE).frame({ ...FRAME, type: 'Publish', op: 'publish' })).toBeUndefined();
  expect([creates.ready(1), creates.reset('position_trimmed', 1)]).toEqual([undefined, undefined]);
  const resumed = makeEncoding({ ...plain, id: 7, positions: true }, WIRE);
  expect(String(resumed.ready(5))).toBe('5|{"type":"ready","collection":"posts","id":7,"seq":5}');
  const reset = '|{"type":"reset","collection":"posts","id":7,"reason":"position_trimmed","seq":5}';
  expect(String(resumed.reset('position_trimmed', 5))).toBe(reset);
  expect(String(resumed.frame({ ...FRAME, type: 'Retained', op: 'retained' }))).toMatch(/^\|{"type":"posts.retained"/);
});

test('encodings that differ in anything have different keys, and equal ones the same', () => {
  const wires = [SOCKET_WIRE, streamWire(true, true), streamWire(true, false), streamWire(false, true)];
  const options = [
    plain,
    { ...plain, collection: 'comments' },
    { ...plain, id: 1 },
    { ...plain, id: '1' },
    { ...plain, positions: true },
    { ...plain, operations: new Set(['create', 'update'] as const) },
  ];
  const keys = wires.flatMap((wire) => options.map((option) => makeEncoding(option, wire).key));
  expect(new Set(keys).size).toBe(keys.length);
  const turned = { ...plain, operations: new Set(OPERATIONS.toReversed()) };
  expect(makeEncoding(turned, SOCKET_WIRE).key).toBe(makeEncoding(plain, SOCKET_WIRE).key);
});

/** Keeps what is written, and which subscriptions were opened. */
class Kept implements Sink {
  readonly writeLock = new WriteLock();
  readonly pending = 0;
  readonly writes: Buffer[] = [];
  write(bytes: Buffer): void {
    this.writes.push(bytes);
  }
  ended(): void {}
}

test('connections share what is encoded once, also where they call their subscriptions the same', async () => {
  using rig = new PropertyHarness({ sdl: 'type Post @table @export { id: ID! @primaryKey n: Int }' });
  const resource = rig.resource('Post');
  const sinks = [new Kept(), new Kept(), new Kept()];
  for (const [n, sink] of sinks.entries()) {
    const subscriptions = new Subscriptions(sink, SOCKET_WIRE);
    for (const id of n < 2 ? [undefined, 1] : ['other']) {
      const request = { ...plain, collection: 'Post', query: '', ...(id === undefined ? {} : { id }) };
      subscriptions.open({ request, resource, query: resource.parseSubscription(SERVER, '', undefined) });
    }
  }
  await turns(2);
  await resource.put(SERVER, 'a', { n: 1 });
  await turns(3);
  const [first, second, third] = sinks.map(({ writes }) => writes);
  expect([first, second]).toMatchObject([{ length: 2 }, { length: 2 }]);
  // The very same bytes, not equal ones.
  for (const bytes of first ?? []) expect(second).toContain(bytes);
  expect(third).toHaveLength(1);
});

test('when the rights change, what may not be had any more ends and what is left of the others goes on', async () => {
  using rig = new PropertyHarness({
    sdl: 'type Post @table @export { id: ID! @primaryKey } type Note @table @export(public: [create]) { id: ID! @primaryKey }',
  });
  const sink = new Kept();
  const subscriptions = new Subscriptions(sink, SOCKET_WIRE);
  const opened: [TableResource, SubscriptionQuery][] = [];
  for (const collection of ['Post', 'Note']) {
    const resource = rig.resource(collection);
    const query = resource.parseSubscription(SERVER, '', undefined);
    opened.push([resource, query]);
    subscriptions.open({ request: { ...plain, collection, query: '' }, resource, query });
  }
  expect(subscriptions.reauthorize({ type: 'anonymous' }).map(({ collection }) => collection)).toEqual(['Note']);
  expect([subscriptions.size, rig.hub.size]).toEqual([1, 1]);
  for (const [resource] of opened) await resource.put(SERVER, 'a', {});
  await turns(3);
  expect(sink.writes.map((bytes) => /"type":"(\w+)/.exec(String(bytes))?.[1])).toEqual(['Post']);
  subscriptions.closeAll();
  expect(rig.hub.size).toBe(0);
  expect(subscriptions.position).toBeUndefined();
});
