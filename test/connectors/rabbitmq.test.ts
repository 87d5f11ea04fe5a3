import { randomUUID } from 'node:crypto';
import { connect as connectTo } from 'amqplib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Connector, FlowEvent } from '../../src/connectors/connector.ts';
import { PermanentError } from '../../src/connectors/connector.ts';
import { rabbitmqConnector } from '../../src/connectors/rabbitmq/connector.ts';
import {
  PUBLISH_KEYS,
  type PublishSettings,
  QUEUE_KEYS,
  type QueueSettings,
  RABBIT_KEYS,
  type RabbitSettings,
  SEND_KEYS,
} from '../../src/connectors/rabbitmq/keys.ts';
import { type Broker, withBroker } from '../support/broker.ts';
import { Mailbox } from '../support/mailbox.ts';
import { meanwhile, until } from '../support/wait.ts';
import { deliveryOf, makeContext, type Surroundings, settingsOf, sourceOf, targetOf } from './context.ts';

type Started = Surroundings & { readonly connector: Connector };

const RESTART = 60_000;

withBroker('rabbitmq', (broker) => {
  let exchange: string;
  let publisher: Publisher;
  beforeEach(async () => {
    exchange = `test.${randomUUID()}`;
    publisher = await Publisher.open(broker());
  });
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0)) await cleanup();
    await publisher.close();
  });

  const make = (settings: Partial<RabbitSettings> = {}): Started => {
    const surroundings = makeContext('rabbit');
    const written = { url: broker().url, exchange, reconnectDelay: 50, reconnectMaxDelay: 500, ...settings };
    const connector = rabbitmqConnector.create(settingsOf(RABBIT_KEYS, written), surroundings.context);
    cleanups.push(async () => {
      await connector.stop();
      await connector.close();
    });
    return { ...surroundings, connector };
  };

  /** A connector that has begun to take messages of this pattern. */
  const consume = async (
    handle: (event: FlowEvent) => Promise<unknown>,
    { operation = 'order.updated', source = {}, settings = {} }: ConsumeOptions = {},
  ): Promise<Started> => {
    const started = make(settings);
    started.connector.listen(sourceOf(operation, settingsOf(QUEUE_KEYS, source)), handle);
    await started.connector.start();
    const queue = source.queue ?? `my-app.rabbit.${operation}`;
    await publisher.untilConsumed(queue);
    return started;
  };

  test('a message for a routing key is the input of a flow', async () => {
    const events = new Mailbox<FlowEvent>('events');
    await consume(async (event) => events.push(event));
    await publisher.publish(exchange, 'order.updated', { id: 1, state: 'paid' });
    await publisher.publish(exchange, 'order.created', { id: 2 });
    await publisher.publish(exchange, 'order.updated', { id: 3 });
    const first = await events.next();
    expect(first.input).toEqual({ id: 1, state: 'paid' });
    expect(first.identity).toEqual({ type: 'server' });
    expect((await events.next()).input).toEqual({ id: 3 });
  });

  test('a pattern matches several routing keys, which metadata contains', async () => {
    const events = new Mailbox<FlowEvent>('events');
    await consume(async (event) => events.push(event), { operation: 'order.#', source: { metadata: 'message' } });
    await publisher.publish(exchange, 'order.eu.paid', { id: 1 }, { messageId: 'm1', headers: { tenant: 'a\0b' } });
    expect((await events.next()).input).toEqual({
      id: 1,
      message: {
        exchange,
        routing_key: 'order.eu.paid',
        redelivered: false,
        message_id: 'm1',
        headers: { tenant: 'ab' },
      },
    });
  });

  test('a queue that is there already is used as it is', async () => {
    const queue = await publisher.makeQueue({ durable: false });
    const events = new Mailbox<FlowEvent>('events');
    await consume(async (event) => events.push(event), { operation: 'jobs', source: { queue } });
    await publisher.publish('', queue, { job: 7 });
    expect((await events.next()).input).toEqual({ job: 7 });
  });

  test('a message is not acknowledged while its flow runs: it is redelivered when the server is gone', async () => {
    const events = new Mailbox<FlowEvent>('events');
    let finish = () => {};
    const { connector } = await consume(async (event) => {
      events.push(event);
      await new Promise<void>((resolve) => {
        finish = resolve;
      });
    });
    await publisher.publish(exchange, 'order.updated', { id: 1 });
    await events.next();
    await connector.close();
    const next = new Mailbox<FlowEvent>('events of the next server');
    await consume(async (event) => next.push(event));
    expect((await next.next()).input).toEqual({ id: 1 });
    finish();
  });

  test('unhandled messages are redelivered in order and with the same key', async () => {
    const events = new Mailbox<FlowEvent>('events');
    let refusals = 2;
    const { errors } = await consume(async (event) => {
      events.push(event);
      if (event.input.id === 2 && refusals-- > 0) throw new Error('not kept');
    });
    for (const id of [1, 2, 3]) await publisher.publish(exchange, 'order.updated', { id });
    await events.next(({ input }) => input.id === 3);
    expect(events.items.map(({ input }) => input.id)).toEqual([1, 2, 2, 2, 3]);
    const keys = events.items.map(({ key }) => key);
    expect(new Set(keys.slice(1, 4)).size).toBe(1);
    expect(new Set(keys).size).toBe(3);
    expect(errors).toHaveLength(2);
  });

  test('messages that are alike are different events, unless their sender says that they are the same', async () => {
    const events = new Mailbox<FlowEvent>('events');
    await consume(async (event) => events.push(event));
    for (let i = 0; i < 2; i++) await publisher.publish(exchange, 'order.updated', { door: 'open' });
    for (let i = 0; i < 2; i++)
      await publisher.publish(exchange, 'order.updated', { door: 'open' }, { messageId: 'x' });
    const [one, two, three, four] = [
      await events.next(),
      await events.next(),
      await events.next(),
      await events.next(),
    ];
    expect(one.key).not.toBe(two.key);
    expect(three.key).toBe(four.key);
  });

  test('stop finishes the running message and starts no other', async () => {
    let finish = () => {};
    const gate = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const events = new Mailbox<FlowEvent>('events');
    let finished = 0;
    const { connector } = await consume(async (event) => {
      events.push(event);
      await gate;
      finished++;
    });
    for (const id of [1, 2]) await publisher.publish(exchange, 'order.updated', { id });
    await events.next();
    const stopped = connector.stop();
    finish();
    await stopped;
    expect([finished, events.items.length]).toEqual([1, 1]);
    await connector.close();
    const again = new Mailbox<FlowEvent>('events of the next server');
    await consume(async (event) => again.push(event));
    expect((await again.next()).input).toEqual({ id: 2 });
  });

  test('abort aborts the running events', async () => {
    const events = new Mailbox<FlowEvent>('events');
    const { connector } = await consume((event) => {
      events.push(event);
      return new Promise((_, reject) => event.signal.addEventListener('abort', () => reject(new Error('cut'))));
    });
    await publisher.publish(exchange, 'order.updated', { id: 1 });
    await events.next();
    const stopped = connector.stop();
    connector.abort();
    await stopped;
  });

  test('the output of a flow is published and confirmed by the broker', async () => {
    const queue = await publisher.makeQueue();
    const { connector } = make();
    const publish = connector.target(targetOf('publish', settingsOf(PUBLISH_KEYS, { headers: { tenant: 'a' } })));
    const fixed = connector.target(targetOf('order.done', settingsOf(PUBLISH_KEYS)));
    const send = connector.target(targetOf('send', settingsOf(SEND_KEYS, { persistent: false }), queue));
    await connector.start();
    await until(
      async () => connector.status().connections,
      (open) => open === 1,
    );
    await eventually(() => publish(deliveryOf({ id: 0 }, { target: 'nobody.listens' })));
    await publisher.bind(queue, exchange, 'order.*');
    await publish(deliveryOf({ id: 1 }, { target: 'order.paid', key: 'flow/0/abc' }));
    await fixed(deliveryOf({ id: 2 }));
    await eventually(() => send(deliveryOf({ id: 3 })));
    const [one, two, three] = [await publisher.take(queue), await publisher.take(queue), await publisher.take(queue)];
    expect(one.fields).toMatchObject({ exchange, routingKey: 'order.paid' });
    expect(JSON.parse(one.content.toString())).toEqual({ id: 1 });
    const properties = { messageId: 'flow/0/abc', contentType: 'application/json', deliveryMode: 2 };
    expect(one.properties).toMatchObject({ ...properties, headers: { tenant: 'a' } });
    expect(two.fields).toMatchObject({ exchange, routingKey: 'order.done' });
    expect(three.fields).toMatchObject({ exchange: '', routingKey: queue });
    expect(three.properties.deliveryMode).toBe(1);
  });

  test('a message that must get somewhere and does not is a failure', async () => {
    const { connector } = make();
    const mandatory = settingsOf<PublishSettings>(PUBLISH_KEYS, { mandatory: true });
    const publish = connector.target(targetOf('publish', mandatory));
    const send = connector.target(targetOf('send', settingsOf(SEND_KEYS), 'no-such-queue'));
    await connector.start();
    await eventually(() => publish(deliveryOf({}, { target: 'nobody.listens' })), /reached no queue/);
    await eventually(() => send(deliveryOf({})), /reached no queue/);
    await expect(publish(deliveryOf({}, { target: 7 }))).rejects.toThrow(PermanentError);
    await expect(publish(deliveryOf({}, { target: '' }))).rejects.toThrow(PermanentError);
  });

  test('an unavailable broker does not stop the server from starting, and its password is nowhere', async () => {
    const { connector, lines, errors } = make({ url: 'amqp://somebody:topsecret@127.0.0.1:9', timeout: 500 });
    connector.listen(sourceOf('order.updated', settingsOf(QUEUE_KEYS)), async () => undefined);
    const publish = connector.target(targetOf('publish', settingsOf(PUBLISH_KEYS)));
    await connector.start();
    const line = await lines.next();
    expect(line).toMatchObject({ level: 'warn', connector: 'rabbit', message: expect.stringContaining('unavailable') });
    expect(connector.status()).toEqual({ connections: 0 });
    await expect(publish(deliveryOf({}, { target: 'a' }))).rejects.toThrow('the broker is unavailable');
    await connector.stop();
    await connector.close();
    expect(JSON.stringify([lines.items, errors.map(String)])).not.toContain('topsecret');
    expect(lines.items).toHaveLength(1);
  });

  test('wrong credentials are logged once, without the credentials', async () => {
    const { lines, connector } = make({ url: broker().url.replace('guest:guest', 'guest:topsecret') });
    await connector.start();
    const { level, reason } = await lines.next();
    expect(level).toBe('warn');
    expect(String(reason)).toContain('403');
    expect(JSON.stringify(lines.items)).not.toContain('topsecret');
  });

  test('a queue that does not exist, or is deleted, is retried until it exists', async () => {
    const queue = `test.${randomUUID()}`;
    const events = new Mailbox<FlowEvent>('events');
    const { connector, lines } = make();
    connector.listen(sourceOf('jobs', settingsOf(QUEUE_KEYS, { queue })), async (event) => events.push(event));
    await connector.start();
    expect((await lines.next(({ level }) => level === 'warn')).reason).toContain('404');
    for (const id of [1, 2]) {
      await publisher.makeQueue({ durable: true }, queue);
      await publisher.publish('', queue, { id });
      expect((await events.next()).input).toEqual({ id });
      await publisher.deleteQueue(queue);
    }
    expect(lines.items.filter(({ level }) => level === 'warn').length).toBeLessThan(5);
  });

  test('with declare: false nothing is made', async () => {
    const { connector, lines } = make({ declare: false });
    connector.listen(sourceOf('order.updated', settingsOf(QUEUE_KEYS)), async () => undefined);
    const publish = connector.target(targetOf('publish', settingsOf(PUBLISH_KEYS)));
    await connector.start();
    const isTold = (what: string) => lines.items.some(({ reason }) => String(reason).includes(what));
    await until(
      async () => isTold('no queue') && isTold('no exchange'),
      (told) => told,
    );
    await expect(publish(deliveryOf({}, { target: 'a' }))).rejects.toThrow('the broker is unavailable');
  });

  test(
    'the broker is killed and started again in the middle: every message arrives, in order per queue',
    async () => {
      const count = 300;
      const seen: Record<'a' | 'b', number[]> = { a: [], b: [] };
      const { connector, lines } = make();
      for (const name of ['a', 'b'] as const) {
        connector.listen(sourceOf(`kill.${name}`, settingsOf(QUEUE_KEYS)), async ({ input }) => {
          seen[name].push(input.n as number);
          await new Promise((resolve) => setTimeout(resolve, 1));
        });
      }
      const publish = connector.target(targetOf('publish', settingsOf(PUBLISH_KEYS)));
      await connector.start();
      for (const name of ['a', 'b']) await publisher.untilConsumed(`my-app.rabbit.kill.${name}`);
      // A flow's target tries again what was not confirmed.
      const send = async (name: string, n: number): Promise<void> => {
        for (;;) {
          try {
            await publish(deliveryOf({ n }, { target: `kill.${name}`, key: `${name}${n}` }));
            return;
          } catch {
            await new Promise((resolve) => setTimeout(resolve, 50));
          }
        }
      };
      const all = meanwhile(() =>
        Promise.all(
          ['a', 'b'].map(async (name) => {
            for (let n = 0; n < count; n++) await send(name, n);
          }),
        ),
      );
      await until(
        async () => seen.a.length,
        (length) => length > count / 3,
        { timeout: 20_000 },
      );
      await broker().kill();
      await until(
        async () => connector.status().connections,
        (open) => open === 0,
        { timeout: 20_000 },
      );
      await broker().start();
      await all;
      for (const name of ['a', 'b'] as const) {
        await until(
          async () => seen[name].at(-1),
          (last) => last === count - 1,
          { timeout: 20_000 },
        );
        expect(firstTimes(seen[name])).toEqual(Array.from({ length: count }, (_, n) => n));
      }
      expect(
        lines.items.map(({ message }) => message).filter((message) => /connected|unavailable/.test(message)),
      ).toEqual(['connected to the broker', 'the broker is unavailable; reconnecting', 'connected to the broker']);
    },
    2 * RESTART,
  );
});

interface ConsumeOptions {
  readonly operation?: string;
  readonly source?: Partial<QueueSettings>;
  readonly settings?: Partial<RabbitSettings>;
}

/** In the order in which each came first. */
function firstTimes(numbers: readonly number[]): number[] {
  return [...new Set(numbers)];
}

/** Until the channel is there; or until what fails fails as expected. */
async function eventually(run: () => Promise<unknown>, expected?: RegExp): Promise<void> {
  await until(
    () =>
      run().then(
        () => 'done',
        (error: Error) => error.message,
      ),
    (outcome) => (expected === undefined ? outcome === 'done' : expected.test(outcome)),
  );
}

/** Another program that uses the broker. */
class Publisher {
  static async open({ url }: Broker): Promise<Publisher> {
    const connection = await connectTo(url);
    connection.on('error', () => undefined);
    return new Publisher(connection);
  }

  readonly #connection: Awaited<ReturnType<typeof connectTo>>;
  /** To be removed at the end. */
  readonly #queues = new Set<string>();

  private constructor(connection: Awaited<ReturnType<typeof connectTo>>) {
    this.#connection = connection;
  }

  async publish(exchange: string, routingKey: string, content: object, options = {}): Promise<void> {
    const channel = await this.#connection.createConfirmChannel();
    channel.publish(exchange, routingKey, Buffer.from(JSON.stringify(content)), { persistent: true, ...options });
    await channel.waitForConfirms();
    await channel.close();
  }

  async makeQueue(options = {}, name = `test.${randomUUID()}`): Promise<string> {
    await this.#use((channel) => channel.assertQueue(name, options));
    this.#queues.add(name);
    return name;
  }

  async bind(queue: string, exchange: string, pattern: string): Promise<void> {
    await this.#use((channel) => channel.bindQueue(queue, exchange, pattern));
  }

  async deleteQueue(name: string): Promise<void> {
    await this.#use((channel) => channel.deleteQueue(name)).catch(() => undefined);
  }

  async take(queue: string) {
    const message = await until(
      () => this.#use((channel) => channel.get(queue, { noAck: true })),
      (found) => found !== false,
    );
    if (message === false) throw new Error('there is no message');
    return message;
  }

  /** Resolves when the queue exists and has a consumer. */
  async untilConsumed(queue: string): Promise<void> {
    this.#queues.add(queue);
    await until(
      () => this.#use(async (channel) => (await channel.checkQueue(queue)).consumerCount).catch(() => 0),
      (consumers) => consumers > 0,
    );
  }

  async close(): Promise<void> {
    for (const queue of this.#queues) await this.deleteQueue(queue);
    await this.#connection.close().catch(() => undefined);
  }

  async #use<T>(run: (channel: Awaited<ReturnType<typeof this.openChannel>>) => Promise<T>): Promise<T> {
    const channel = await this.openChannel();
    try {
      return await run(channel);
    } finally {
      await channel.close().catch(() => undefined);
    }
  }

  async openChannel() {
    const channel = await this.#connection.createChannel();
    channel.on('error', () => undefined);
    return channel;
  }
}
