import type { ConformancePeer, Message } from '../connection.ts';
import { type ConformanceRule, codeOf, expect, rule } from './rule.ts';

/** Connector that no server has. */
const UNKNOWN = 'no such connector';
/** Codes of a caller that may not join. */
const DENIALS: readonly unknown[] = ['FORBIDDEN', 'UNAUTHORIZED'];

/** Subscribes, and returns `subscribed` or `error`. */
async function join(peer: ConformancePeer, id: string, members: Message): Promise<Message> {
  peer.send({ type: 'subscribe', id, ...members });
  return peer.next(`the answer for ${id}`, (message) => message.id === id);
}

/** Name of a connector with rooms; undefined where the server has none. */
async function connectorOf(peer: ConformancePeer): Promise<unknown> {
  const { rooms = [] } = await peer.next('hello');
  expect(Array.isArray(rooms), 'rooms of hello is not a list', rooms);
  return rooms[0];
}

/** Rooms, as far as they can be checked without flows of the server. */
export const ROOMS: readonly ConformanceRule[] = [
  rule('7.11', 'a room is joined and left under an id, or refused with it', async ({ peer, mark }) => {
    const connector = await connectorOf(peer);
    if (connector === undefined) return;
    const joined = await join(peer, 'room', { connector, room: `conformance-${mark}` });
    if (joined.type === 'error' && DENIALS.includes(codeOf(joined))) return;
    expect(joined.type === 'subscribed', 'it was neither joined nor refused', joined);
    peer.send({ type: 'unsubscribe', id: 'room' });
    const left = await peer.next('the answer to unsubscribe', ({ id }) => id === 'room');
    expect(left.type === 'unsubscribed', 'it was not left', left);
  }),
  rule('7.11', 'a text that is no name of a room is an error with the id', async ({ peer }) => {
    const connector = await connectorOf(peer);
    if (connector === undefined) return;
    const answer = await join(peer, 'empty', { connector, room: '' });
    expect(answer.type === 'error', 'an empty name was accepted', answer);
  }),
  rule('7.11', 'rooms of an unknown connector are NOT_FOUND', async ({ peer }) => {
    const answer = await join(peer, 'room', { connector: UNKNOWN, room: 'a' });
    expect(codeOf(answer) === 'NOT_FOUND', 'it was not refused', answer);
    const sent = await peer.ask('s', { type: 'send', connector: UNKNOWN, data: {} });
    expect(codeOf(sent) === 'NOT_FOUND', 'a message to it was not refused', sent);
  }),
  rule('7.11', 'a subscription with a query and a room is INVALID_MESSAGE', async ({ peer, query }) => {
    const answer = await join(peer, 'both', { query, connector: UNKNOWN, room: 'a' });
    expect(codeOf(answer) === 'INVALID_MESSAGE', 'it was not refused', answer);
  }),
];
