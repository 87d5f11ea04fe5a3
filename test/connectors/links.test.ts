import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'amqplib';
import { onTestFinished } from 'vitest';
import type { Connector, FlowData, Handle } from '../../src/connectors/connector.ts';
import { httpConnector } from '../../src/connectors/http/connector.ts';
import { HTTP_KEYS, REQUEST_KEYS } from '../../src/connectors/http/keys.ts';
import { rabbitmqConnector } from '../../src/connectors/rabbitmq/connector.ts';
import { PUBLISH_KEYS, QUEUE_KEYS, RABBIT_KEYS } from '../../src/connectors/rabbitmq/keys.ts';
import { createHttpServer } from '../../src/server/http-server.ts';
import { createLog } from '../../src/server/operations/log.ts';
import { makeFolder } from '../config/folders.ts';
import { withBroker } from '../support/broker.ts';
import { until } from '../support/wait.ts';
import { makeContext, SERVER_CONFIG, settingsOf, sourceOf, targetOf } from './context.ts';
import { type OpenSource, type OpenTarget, testConnector } from './suite.ts';

const numberOf = ({ number }: FlowData) => number as number;

/** Listens on the port, or on a free one by default, and returns it. */
async function listenAgain(server: ReturnType<typeof createServer>, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function openRequests(handle: Handle): Promise<OpenSource> {
  const { context } = makeContext('http');
  const connector = httpConnector.create(settingsOf(HTTP_KEYS), context);
  const lifecycle = { ready: true, stopping: false };
  const log = createLog(SERVER_CONFIG);
  const server = await createHttpServer(SERVER_CONFIG, { dataDir: makeFolder({}), lifecycle, log });
  onTestFinished(() => server.close());
  connector.listen(sourceOf('POST /things', settingsOf(REQUEST_KEYS)), handle);
  await connector.register(server);
  await connector.start();
  return {
    emit: async (number) => {
      const response = await server.inject({ method: 'POST', url: '/things', payload: { number } });
      if (response.statusCode >= 400) throw new Error(response.body);
      return response.body;
    },
    numberOf,
    stop: async () => connector.stop(),
  };
}

async function openWebhooks(): Promise<OpenTarget> {
  const received: number[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push(JSON.parse(body).number);
    response.end();
  });
  const port = await listenAgain(server);
  onTestFinished(() => void server.close());
  const url = new URL(`http://127.0.0.1:${port}/`);
  const connector = httpConnector.create(
    settingsOf(HTTP_KEYS, { url, allowPrivate: true }),
    makeContext('http').context,
  );
  return {
    deliver: connector.target(targetOf('POST', {})),
    outputOf: (number) => ({ number }),
    received: async () => received,
    breakIt: async () => {
      server.close();
      await once(server, 'close');
    },
    mend: async () => void (await listenAgain(server, port)),
  };
}

testConnector('http', {
  source: { failure: 'answers', isDurable: false, open: openRequests },
  target: { open: openWebhooks },
});

withBroker('with a broker', (broker) => {
  const make = () => {
    const written = { url: broker().url, exchange: 'suite', reconnectDelay: 50, reconnectMaxDelay: 200 };
    return rabbitmqConnector.create(settingsOf(RABBIT_KEYS, written), makeContext('rabbit').context);
  };
  const closeAfter = (connector: Connector) =>
    onTestFinished(async () => {
      await connector.stop();
      await connector.close();
    });
  const openChannel = async () => {
    const connection = await connect(broker().url);
    onTestFinished(() => connection.close());
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange('suite', 'topic', { durable: true });
    return channel;
  };

  const openSource = async (handle: Handle): Promise<OpenSource> => {
    const channel = await openChannel();
    const key = `thing.${randomUUID()}`;
    const connector = make();
    closeAfter(connector);
    connector.listen(sourceOf(key, settingsOf(QUEUE_KEYS)), handle);
    await connector.start();
    const queue = `my-app.rabbit.${key}`;
    await channel.assertQueue(queue, { durable: true });
    await until(
      async () => (await channel.checkQueue(queue)).consumerCount,
      (consumers) => consumers === 1,
    );
    return {
      emit: async (number) => {
        channel.publish('suite', key, Buffer.from(JSON.stringify({ number })), { persistent: true });
        await channel.waitForConfirms();
      },
      numberOf,
      stop: async () => connector.stop(),
    };
  };

  const openTarget = async (): Promise<OpenTarget> => {
    const channel = await openChannel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'suite', queue);
    const received: number[] = [];
    const take = (message: { content: Buffer } | null) =>
      received.push(JSON.parse(String(message?.content ?? '{}')).number);
    await channel.consume(queue, take, { noAck: true });
    const connector = make();
    closeAfter(connector);
    const settings = settingsOf(PUBLISH_KEYS, { mandatory: true });
    const deliver = connector.target(targetOf('publish', settings));
    await connector.start();
    const ready = { output: {}, target: 'probe', identity: { type: 'server' }, key: 'probe', flow: 'flow' } as const;
    const signal = new AbortController().signal;
    await until(
      () => deliver({ ...ready, signal }).catch((error: Error) => error.message),
      (outcome) => outcome === 'the message reached no queue',
    );
    return {
      deliver,
      outputOf: (number) => ({ number }),
      target: queue,
      received: async () => received,
      breakIt: async () => void (await channel.unbindQueue(queue, 'suite', queue)),
      mend: async () => void (await channel.bindQueue(queue, 'suite', queue)),
    };
  };

  testConnector('rabbitmq', {
    source: { failure: 'redelivers', isDurable: true, open: openSource },
    target: { open: openTarget },
  });
});
