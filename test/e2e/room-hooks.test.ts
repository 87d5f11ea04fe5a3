import { expect, test } from 'vitest';
import { askToJoin, openRoomSocket, startRoomRulesServer, userToken } from '../support/room-rules-app.ts';

const HOOKS = `
export const onRoomJoin = ({ room, connector, userId, identity }) => {
  if (room === 'lobby') throw new Error([connector, userId, identity.type].join(' ') + ' stays outside.');
};
export const onRoomSend = ({ room, data, user_id }) => {
  if (data.text === 'rude') throw new Error(user_id + ' is rude in ' + room);
};
export const onRouteRequest = ({ method, path, params, query, userId, system }) => {
  if (query.no !== undefined) throw new Error([method, path, params.id, userId, typeof system.tables.Board.get].join(' '));
};`;
const ROUTES = `export const routes = {
  'boards/:id': { handler: ({ params, tables }) => tables.Board.get(Number(params.id)).then((board) => ({ board: board?.id ?? null })) },
  ticks: { kind: 'sse', handler: async function* () { yield 1; } },
};`;

test('hooks are asked before a room is joined, before a flow sends to one, and before a route is served', async () => {
  const config = 'hooks: hooks.mjs\nroutes: routes.mjs\n';
  await using server = await startRoomRulesServer({ config, files: { 'hooks.mjs': HOOKS, 'routes.mjs': ROUTES } });
  const ann = await openRoomSocket(server, userToken('ann'));
  const refused = { type: 'error', code: 'HOOK_REFUSED', message: 'ws ann principal stays outside.' };
  expect(await askToJoin(ann, 'lobby')).toMatchObject(refused);
  expect(await askToJoin(ann, 'board:1')).toMatchObject({ type: 'joined' });
  const say = async (text: string) => {
    ann.send({ type: 'message', ref: text, data: { room: 'board:1', text } });
    return ann.controls.next((frame) => frame.ref === text);
  };
  expect(await say('rude')).toMatchObject({ code: 'HOOK_REFUSED', message: 'ann is rude in board:1' });
  expect(await say('kind')).toMatchObject({ type: 'ack', delivered: 1 });
  const headers = { headers: { authorization: `Bearer ${userToken('ann')}` } };
  expect((await server.ask('GET', 'api/boards/1', headers)).record).toEqual({ board: 1 });
  // The board of another account does not exist for the caller of a route either.
  expect((await server.ask('GET', 'api/boards/2', headers)).record).toEqual({ board: null });
  const answer = await server.ask('GET', 'api/boards/1?no=1', headers);
  expect(answer.record).toMatchObject({ status: 403, code: 'HOOK_REFUSED' });
  expect(answer.record.detail).toMatch(/^GET \/\S*\/api\/boards\/1 1 ann function$/);
  expect((await server.ask('GET', 'api/ticks?no=1')).record).toMatchObject({ status: 403, code: 'HOOK_REFUSED' });
});
