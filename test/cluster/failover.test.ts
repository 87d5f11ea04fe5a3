import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ask } from '../support/http.ts';
import { OwnPostgres } from '../support/postgres/own-server.ts';
import { reason, unreachable } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

describe.skipIf(unreachable !== undefined || OwnPostgres.missing !== undefined)(
  `two servers whose database fails over to an older copy${reason}`,
  () => {
    let postgres: OwnPostgres;
    let cluster: Cluster;

    beforeAll(async () => {
      postgres = await OwnPostgres.start();
      cluster = await Cluster.start(2, { database: postgres.url });
    }, 180_000);

    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]();
      await postgres?.[Symbol.asyncDispose]();
    }, 60_000);

    const put = (node: ClusterNode, id: string, token: string) =>
      until(
        () => ask('PUT', cluster.url(node, `Note/${id}`), { json: { run: 'r', token } }),
        ({ status }) => status < 300,
      ).then(({ headers }) => Number(/\d+/.exec(headers.get('etag') ?? '')?.[0]));
    const ws = (node: ClusterNode, path: string) => WsClient.subscribe(cluster.url(node, path).replace('http', 'ws'));
    /** State that a subscriber gets after its reset. */
    const stateOf = async (client: WsClient) => {
      expect((await client.control('reset')).reason).toBe('position_unknown');
      const { seq } = await client.ready();
      const at = client.texts.findLastIndex((text) => text.includes('"reset"'));
      const frames = client.texts.slice(at + 1).map((text) => JSON.parse(text) as { id?: string; data?: object });
      return { seq: seq as number, records: frames.flatMap(({ id, data }) => (id === undefined ? [] : [data])) };
    };

    test('give every subscriber the state that is left, and issue no position again', {
      timeout: 180_000,
    }, async () => {
      const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
      const kept = await put(one, 'a', 'old');
      const copy = await postgres.copy();
      using here = await ws(one, 'Note');
      using there = await ws(other, 'Note?run==r');
      const list = cluster.url(other, 'Note?run==r');
      const lost = Math.max(await put(one, 'a', 'lost'), await put(other, 'b', 'lost'));
      for (const client of [here, there]) {
        await client.next(({ id }) => id === 'a');
        await client.next(({ id }) => id === 'b');
      }
      const before = await ask('GET', list);
      await postgres.failOver(copy);
      const left = { id: 'a', run: 'r', token: 'old', name: null };
      for (const client of [here, there]) {
        const { seq, records } = await stateOf(client);
        expect(records).toEqual([left]);
        expect(seq).toBeGreaterThan(lost);
      }
      const headers = { 'if-none-match': before.headers.get('etag') ?? '' };
      expect((await ask('GET', list, { headers })).records).toEqual([left]);
      // A position of what was lost is of no use on any server; one of what is left is.
      using stranger = await WsClient.open(cluster.url(one, `Note?since=${lost}`).replace('http', 'ws'));
      expect((await stateOf(stranger)).records).toEqual([left]);
      using resumed = await ws(other, `Note?since=${kept}`);
      expect(await put(other, 'c', 'new')).toBeGreaterThan(lost);
      for (const client of [here, there, stranger, resumed])
        expect((await client.next(({ id }) => id === 'c')).op).toBe('create');
      expect(resumed.texts.some((text) => text.includes('"reset"'))).toBe(false);
      expect((await ask('GET', cluster.url(one, 'Note/b'))).status).toBe(404);
    });
  },
);
