import { expect, onTestFinished, test } from 'vitest';
import { bearer } from '../support/auth-app.ts';
import { startRoomsServer, tell, toldAfter, visitsOf } from '../support/rooms-app.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';
import { until } from '../support/wait.ts';
import { refusedUpgrade, WsClient, type WsOptions } from '../support/ws-client.ts';

async function open(url: string, options: WsOptions = {}): Promise<WsClient> {
  const client = await WsClient.open(url, options);
  onTestFinished(() => client.terminate());
  return client;
}

const numbers = async (client: WsClient, count: number) => (await toldAfter(client, count)).map(({ data }) => data?.n);

test('what is sent to a user reaches all of their connections, and no other', async () => {
  await using server = await startRoomsServer();
  const url = server.wsUrl('ws');
  const [phone, laptop] = [await open(`${url}?user_id=ann&on=phone`), await open(`${url}?on=laptop&user_id=ann`)];
  const others = [await open(`${url}?user_id=bob`), await open(`${url}?user_id=Ann`), await open(url)];
  const elsewhere = await open(`${server.wsUrl('other')}?user_id=ann`);
  expect(await tell(server, 'users/ann', 1)).toBe(2);
  expect(await tell(server, 'users/nobody', 2)).toBe(0);
  expect(await tell(server, 'users/bob', 3)).toBe(1);
  expect(await tell(server, '', 4)).toBe(5);
  // What is sent to a user and what is sent to all have no order.
  for (const client of [phone, laptop]) expect((await numbers(client, 2)).sort()).toEqual([1, 4]);
  expect(await toldAfter(phone, 2)).toContainEqual({ type: 'message', data: { n: 1 } });
  const [bob, ...rest] = others as [WsClient, WsClient, WsClient];
  expect((await numbers(bob, 2)).sort()).toEqual([3, 4]);
  for (const client of rest) expect(await numbers(client, 1)).toEqual([4]);
  expect(await toldAfter(elsewhere, 0)).toEqual([]);
  await phone.close();
  await until(
    () => tell(server, 'users/ann', 5),
    (count) => count === 1,
  );
  await laptop.close();
  await until(
    () => tell(server, 'users/ann', 6),
    (count) => count === 0,
  );
});

test('with auth the user is the subject of the token, and `?user_id=` is ignored', async () => {
  const config = `auth: {jwt: {secret: ${SECRET}}}\n`;
  await using server = await startRoomsServer({ ws: 'access: anyone', config });
  const url = server.wsUrl('ws');
  const ann = await open(`${url}?user_id=bob&tag=ann`, bearer(tokenOf('ann')));
  const nobody = await open(`${url}?user_id=bob&tag=nobody`);
  const bob = await open(`${url}?tag=bob`, bearer(tokenOf('bob')));
  for (const [tag, user] of [
    ['ann', 'ann'],
    ['nobody', null],
    ['bob', 'bob'],
  ] as const) {
    const [visit] = await until(
      () => visitsOf(server, tag),
      (visits) => visits.length === 1,
    );
    expect(visit).toMatchObject({ event: 'connect', user });
  }
  expect(await tell(server, 'users/bob', 1)).toBe(1);
  expect(await tell(server, 'users/ann', 2)).toBe(1);
  expect([await numbers(bob, 1), await numbers(ann, 1), await numbers(nobody, 0)]).toEqual([[1], [2], []]);
  // Nor can a message say that it is of somebody else.
  ann.send({ type: 'message', data: { text: 'hi', user_id: 'bob' }, ref: 1 });
  expect((await ann.control('message', 1)).data).toMatchObject({ text: 'hi', user: 'ann' });
  // Where `access` is not said, nobody comes in without a token, whoever he says that he is.
  const other = server.wsUrl('other');
  expect((await refusedUpgrade(`${other}?user_id=ann`)).status).toBe(401);
  const forged = tokenOf('ann', {}, 'another-0secret-that-is-not-ours-9Zx');
  for (const path of [url, other]) expect((await refusedUpgrade(path, bearer(forged))).status).toBe(401);
  await open(other, bearer(tokenOf('ann')));
});

test('without auth the user is who `?user_id=` says, in visits and in messages', async () => {
  await using server = await startRoomsServer();
  const url = server.wsUrl('ws');
  const ann = await open(`${url}?user_id=ann&tag=ann`);
  const nobody = await open(`${url}?tag=nobody`);
  ann.send({ type: 'message', data: { text: 'hi', user_id: 'bob' }, ref: 1 });
  expect((await ann.control('message', 1)).data).toMatchObject({ text: 'hi', user: 'ann' });
  nobody.send({ type: 'message', data: { text: 'hi', user_id: 'bob' }, ref: 1 });
  expect((await nobody.control('message', 1)).data).toMatchObject({ text: 'hi', user: null });
  expect(await visitsOf(server, 'ann')).toMatchObject([{ event: 'connect', user: 'ann' }]);
  expect(await visitsOf(server, 'nobody')).toMatchObject([{ event: 'connect', user: null }]);
  expect(await tell(server, 'users/ann', 1)).toBe(1);
  expect((await refusedUpgrade(`${url}?user_id=ann&user_id=bob`)).status).toBe(400);
});
