import { connect } from 'amqplib';
import { describe, expect, test } from 'vitest';
import { type Broker, withBroker } from '../support/broker.ts';
import { reason, runSql, unreachable } from '../support/postgres/server.ts';
import { until } from '../support/wait.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

const CONFIG = `connectors:
  rabbit:
    type: rabbitmq
    url: \${RABBIT_URL}
    exchange: shop
    reconnect_delay: 100ms
    reconnect_max_delay: 1s
flows:
  stored:
    from: {connector: rabbit, operation: order.stored}
    transform: {id: 'input.id', run: "'r'", token: input.id}
    to: {connector: table, operation: upsert, target: Note}
`;

async function publish(broker: Broker, ids: readonly string[]): Promise<void> {
  const connection = await connect(broker.url);
  const channel = await connection.createConfirmChannel();
  for (const id of ids) channel.publish('shop', 'order.stored', Buffer.from(JSON.stringify({ id })));
  await channel.waitForConfirms();
  await connection.close();
}

/** Ids of the stored records in the order in which they were written. */
async function storedIn(cluster: Cluster): Promise<readonly unknown[]> {
  const rows = await runSql(`SELECT id FROM "${cluster.schema}"."data/note" ORDER BY _seq`);
  return rows.map(({ id }) => id);
}

const numbered = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => `n${String(from + i).padStart(4, '0')}`);

describe.skipIf(unreachable !== undefined)(`two servers on one schema${reason}`, () => {
  withBroker('and one queue', (broker) => {
    test('handle its messages in their order, also over the end of the one that does', {
      timeout: 180_000,
    }, async () => {
      await using cluster = await Cluster.start(2, { config: CONFIG, env: () => ({ RABBIT_URL: broker().url }) });
      const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
      const expected: string[] = [];
      const send = async (count: number) => {
        const ids = numbered(expected.length, count);
        expected.push(...ids);
        await publish(broker(), ids);
      };
      const all = () =>
        until(
          () => storedIn(cluster),
          ({ length }) => length === expected.length,
        );
      await until(
        () => isConsumed(broker(), `${cluster.app}.rabbit.order.stored`),
        (is) => is,
      );
      await send(300);
      expect(await all()).toEqual(expected);
      // The one that stops gives the queue back, whichever has it.
      await send(300);
      await one.server.stop();
      expect(await all()).toEqual(expected);
      await one.server.restart();
      await send(300);
      await other.server.kill();
      expect(await all()).toEqual(expected);
    });
  });
});

/** True once a server reads the queue: it is bound then, and messages before that are lost. */
async function isConsumed(broker: Broker, queue: string): Promise<boolean> {
  const connection = await connect(broker.url);
  const channel = await connection.createChannel();
  // A queue that is not there ends the channel.
  channel.on('error', () => {});
  const found = await channel.checkQueue(queue).catch(() => undefined);
  await connection.close();
  return found !== undefined && found.consumerCount > 0;
}
