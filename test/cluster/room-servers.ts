import { ask } from '../support/http.ts';
import { WsClient } from '../support/ws-client.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

const CONFIG = `routes: routes.js
connectors:
  ws: {type: websocket, path: /ws, presence: true}
  live: {type: sse}
flows:
  said:
    from: {connector: ws, operation: message}
    to: {connector: ws, operation: send_to_room, target: input.room}
`;

const ROUTES = `export const routes = {
  members: { handler: async ({ system, query }) => system.rooms.ws.members(query.room) },
  tell: {
    method: 'POST',
    handler: async ({ system, body: { to, name, data } }) => {
      const ws = system.rooms[to === 'stream' ? 'live' : 'ws'];
      if (to === 'all') return ws.broadcast(data);
      return to === 'user' ? ws.sendToUser(name, data) : ws.sendToRoom(name, data);
    },
  },
};`;

const SCHEMA =
  'type Note @table @export(public: [read, create, subscribe, publish]) { id: ID! @primaryKey text: String }';
const OPTIONS = { schema: SCHEMA, config: CONFIG, files: { 'routes.js': ROUTES } };

/** Two servers on one schema; flows lead from and to the connector `ws`, and a route tells both connectors something. */
export function startTwo(config = ''): Promise<Cluster> {
  return Cluster.start(2, { ...OPTIONS, config: CONFIG + config });
}

/** Joins a room over the WebSocket of the connector, and resolves when it is joined. */
export async function enter(cluster: Cluster, node: ClusterNode, user: string, room: string): Promise<WsClient> {
  const client = await WsClient.open(`${cluster.url(node, 'ws').replace('http', 'ws')}?user_id=${user}`);
  client.send({ type: 'join_room', room });
  await client.control('joined');
  return client;
}

/** Sends to a room, a user or all at this server. */
export const tell = ({ server }: ClusterNode, json: object) => ask('POST', `${server.origin}/api/tell`, { json });
/** Members of a room as this server lists them, as JSON. */
export const members = async ({ server }: ClusterNode, room: string) =>
  (await ask('GET', `${server.origin}/api/members?room=${room}`)).text;
