import { BASE_CONFIG, startServer, type TestServer } from './app.ts';
import type { ControlFrame, Json } from './frames.ts';
import { until } from './wait.ts';
import type { WsClient } from './ws-client.ts';

const SCHEMA = `
type Said @table @export(public: [read, create, subscribe]) {
  id: ID! @primaryKey
  text: String
  user: String
}
type Visit @table @export(public: [read, create]) {
  id: ID! @primaryKey
  event: String!
  connection: String!
  user: String
  tag: String
}
`;

const VISIT = `
    transform:
      event: input.event
      connection: input.connection_id
      user: input.user_id
      tag: 'has(input.tag) ? input.tag : ""'
    to: {connector: table, operation: create, target: Visit}`;

/** Requests tell connections something, and what connections do is in tables. */
const FLOWS = `flows:
  tell_all:
    from: {connector: http, operation: "POST /tell"}
    to: {connector: ws, operation: broadcast}
  tell_room:
    from: {connector: http, operation: "POST /tell/rooms/:room"}
    transform: {n: input.n}
    to: {connector: ws, operation: send_to_room, target: input.room}
  tell_user:
    from: {connector: http, operation: "POST /tell/users/:user"}
    transform: {n: input.n}
    to: {connector: ws, operation: send_to_user, target: input.user}
  said:
    from: {connector: ws, operation: message}
    when: has(input.text)
    transform: {text: input.text, user: input.user_id}
    to: {connector: table, operation: create, target: Said}
  shout:
    from: {connector: ws, operation: message}
    when: has(input.shout)
    transform: {shout: input.shout}
    to: {connector: ws, operation: broadcast}
  measure:
    from: {connector: ws, operation: message}
    when: has(input.big)
    transform: {size: size(input.big)}
    to: {connector: ws, operation: send_to_room, target: input.room}
  came:
    from: {connector: ws, operation: connect}${VISIT}
  gone:
    from: {connector: ws, operation: disconnect}${VISIT}
`;

export interface RoomsAppOptions {
  /** Keys of the connector `ws`, such as `ping_interval: 1s`. */
  readonly ws?: string;
  /** The rest of config.yaml. */
  readonly config?: string;
}

/** A server with the WebSocket connectors `ws` and `other`; flows lead to and from the first. */
export function startRoomsServer({ ws = '', config = '' }: RoomsAppOptions = {}): Promise<TestServer> {
  const connectors = `connectors:
  ws: {type: websocket${ws === '' ? '' : `, ${ws}`}}
  other: {type: websocket, path: /other}
`;
  return startServer({ schema: SCHEMA, config: `${BASE_CONFIG}${config}${connectors}${FLOWS}` });
}

/** Sends `{n}` by request to all members (``), a room (`rooms/a`) or a user (`users/ann`); gives how many there were. */
export async function tell(server: TestServer, to: string, n: number | string): Promise<number> {
  const answer = await server.ask('POST', to === '' ? 'tell' : `tell/${to}`, { json: { n } });
  if (answer.status !== 200) throw new Error(`${to}: ${answer.status} ${answer.text}`);
  return answer.record.delivered as number;
}

/** Resolves when the server has acknowledged it. */
export async function join(client: WsClient, room: string): Promise<void> {
  client.send({ type: 'join_room', room });
  await client.controls.next((frame) => frame.type === 'joined' && frame.room === room);
}

/** What a client was told, without the answers to what it sent. */
export function told(client: WsClient): readonly ControlFrame[] {
  return client.controls.items.filter(({ type, ref }) => type === 'message' && ref === undefined);
}

/** Until it was told so many things; then nothing else is on its way that had been sent before. */
export async function toldAfter(client: WsClient, count: number): Promise<readonly ControlFrame[]> {
  await until(
    async () => told(client).length,
    (length) => length >= count,
    { what: `${count} messages` },
  );
  client.send({ type: 'leave_room', room: 'nowhere' });
  await client.controls.next((frame) => frame.type === 'left' && frame.room === 'nowhere');
  return told(client);
}

/** What the table has of connections that were opened with `?tag=`: each one's events, in their order. */
export async function visitsOf(server: TestServer, tag: string): Promise<readonly Json[]> {
  return (await server.ask('GET', `Visit?tag=${tag}&sort=connection,event`)).records;
}
