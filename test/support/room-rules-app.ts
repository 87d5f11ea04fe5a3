import { onTestFinished } from 'vitest';
import { BASE_CONFIG, startServer, type TestServer } from './app.ts';
import { bearer } from './auth-app.ts';
import { SECRET, tokenOf } from './tokens.ts';
import { WsClient } from './ws-client.ts';

const SCHEMA = `
type Board @table @export @account(field: "org", claim: "org") @access(read: "authenticated") {
  id: Int! @primaryKey
  org: String
  ownerId: ID
  members: [Member] @relationship(to: "boardId")
}
type Member @table @export @access(read: "authenticated") {
  id: ID! @primaryKey
  boardId: Int @indexed
  userId: ID @indexed
  role: String
}
`;

/** Members join the room of their board, writers send to it, and its owner sees who is there. */
export const ROOM_RULES = `rooms:
  "board:{id}":
    record: Board
    join: ["ownerId==$auth.sub", "members.userId==$auth.sub"]
    send: ["ownerId==$auth.sub", "members(userId==$auth.sub & role==writer)"]
    presence: ownerId==$auth.sub
  "user:{sub}":
    join: $room.sub==$auth.sub
    presence: authenticated
  lobby: {join: anyone, send: speaker, presence: authenticated}
`;

const CONNECTORS = `connectors:
  ws: {type: websocket, presence: true, access: anyone}
  events: {type: sse, presence: true, access: anyone}
`;

const FLOWS = `flows:
  say:
    from: {connector: ws, operation: message}
    when: has(input.room)
    transform: {text: input.text}
    to: {connector: ws, operation: send_to_room, target: input.room}
  announce:
    from: {connector: http, operation: "POST /announce/:room"}
    transform: {text: input.text}
    to: {connector: ws, operation: send_to_room, target: input.room, as: server}
`;

/** A server whose boards 1 (of ann and the org acme) and 2 (of eve and the org evil) have rooms. */
export async function startRoomRulesServer({
  connectors = '',
  ...more
}: Parameters<typeof startServer>[0] & { readonly connectors?: string } = {}): Promise<TestServer> {
  const given = `${ROOM_RULES}${CONNECTORS}${connectors}${FLOWS}${more.config ?? ''}`;
  const config = `${BASE_CONFIG}auth: {jwt: {secret: ${SECRET}}}\n${given}`;
  const server = await startServer({ schema: SCHEMA, ...more, config });
  await put(server, 'Board/1', { org: 'acme', ownerId: 'ann' });
  await put(server, 'Board/2', { org: 'evil', ownerId: 'eve' });
  await put(server, 'Member/m1', { boardId: 1, userId: 'bob', role: 'reader' });
  return server;
}

/** A token of a user of the org acme, unless the claims say otherwise. */
export function userToken(sub: string, claims: Readonly<Record<string, unknown>> = {}): string {
  return tokenOf(sub, { org: 'acme', ...claims });
}

export const ADMIN = bearer(tokenOf('root', { roles: ['admin'] }));

export async function put(server: TestServer, path: string, json: Readonly<Record<string, unknown>>): Promise<void> {
  const answer = await server.ask('PUT', path, { json, ...ADMIN });
  if (answer.status >= 300) throw new Error(`PUT ${path}: ${answer.status} ${answer.text}`);
}

/** Opens a socket with this token, closed at the end of the test. */
export async function openRoomSocket(server: TestServer, token?: string): Promise<WsClient> {
  const client = await WsClient.open(server.wsUrl('ws'), token === undefined ? {} : bearer(token));
  onTestFinished(() => client.terminate());
  return client;
}

/** Asks to join, and resolves with the answer. */
export async function askToJoin(client: WsClient, room: string) {
  client.send({ type: 'join_room', room });
  return client.controls.next((frame) => frame.room === room && (frame.type === 'joined' || frame.type === 'error'));
}
