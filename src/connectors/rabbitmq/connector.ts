import type { Report } from '../../config/files/report.ts';
import type { TransportStatus } from '../../transports/transport.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorType,
  ConnectorUse,
  Deliver,
  Handle,
  SourceUse,
  TargetUse,
} from '../connector.ts';
import { BrokerConnection } from './broker-connection.ts';
import {
  isName,
  PUBLISH_KEYS,
  type PublishSettings,
  QUEUE_KEYS,
  type QueueSettings,
  RABBIT_KEYS,
  type RabbitSettings,
  SEND_KEYS,
  type SendSettings,
} from './keys.ts';
import { QueueTask } from './queue-task.ts';
import { queueOf } from './source.ts';
import { Publisher, publishDelivery } from './target.ts';

/** Messages of a RabbitMQ broker as sources and targets of flows: docs/reference/connectors/rabbitmq.md. */
export const rabbitmqConnector: ConnectorType<RabbitSettings> = {
  keys: RABBIT_KEYS,
  sources: {
    named: {},
    any: { what: 'Messages whose routing key matches a pattern', keys: QUEUE_KEYS, failure: 'redelivers' },
  },
  targets: {
    named: {
      publish: {
        what: 'A message to an exchange; `target` gives the routing key',
        keys: PUBLISH_KEYS,
        target: 'expression',
        needsTarget: true,
      },
      send: { what: 'A message to the queue that `target` names', keys: SEND_KEYS, target: 'name', needsTarget: true },
    },
    any: {
      what: 'A message to an exchange, with the operation as its routing key',
      keys: PUBLISH_KEYS,
      target: 'none',
      needsTarget: false,
    },
  },
  check: checkUse,
  create: (settings, context) => new RabbitConnector(settings, context),
};

class RabbitConnector implements Connector {
  readonly name: string;
  readonly #settings: RabbitSettings;
  readonly #context: ConnectorContext;
  readonly #connection: BrokerConnection;
  readonly #queues: QueueTask[] = [];
  readonly #publishers = new Map<string, Publisher>();

  constructor(settings: RabbitSettings, context: ConnectorContext) {
    this.name = context.name;
    this.#settings = settings;
    this.#context = context;
    this.#connection = new BrokerConnection(settings, context);
  }

  listen(source: SourceUse, handle: Handle): void {
    const { prefetch, declare, exchange } = this.#settings;
    const { appId, name, application, server, onError } = this.#context;
    const settings = source.settings as QueueSettings;
    const queue = queueOf(source, { appId, name, exchange });
    this.#queues.push(
      new QueueTask({
        connector: name,
        leases: application.log.shared?.leases,
        connection: this.#connection,
        queue,
        handle,
        prefetch: settings.prefetch ?? prefetch,
        declare,
        metadata: settings.metadata,
        limits: server.limits,
        delays: this.#delays,
        onTrouble: (reason) => this.#warn('a queue cannot be consumed for now', { queue: queue.name, reason }),
        onError,
      }),
    );
  }

  target({ operation, settings, target: queue }: TargetUse): Deliver {
    if (operation === 'send') {
      const publisher = this.#publisherOf('');
      // The queue may not exist; a message that no queue received must not count as sent.
      const sent = { ...(settings as SendSettings), mandatory: true };
      return (delivery) => publishDelivery(publisher, { delivery, settings: sent, routingKey: queue });
    }
    const published = settings as PublishSettings;
    const publisher = this.#publisherOf(published.exchange ?? this.#settings.exchange);
    const fixed = operation === 'publish' ? undefined : operation;
    return (delivery) =>
      publishDelivery(publisher, { delivery, settings: published, routingKey: fixed ?? delivery.target });
  }

  register(): void {}

  /** Starts to connect, without waiting for the broker. */
  async start(): Promise<void> {
    await this.#connection.open();
    for (const publisher of this.#publishers.values()) publisher.start();
    for (const queue of this.#queues) queue.start();
  }

  /** Reports one connection while the broker is connected. */
  status(): TransportStatus {
    return { connections: this.#connection.isConnected ? 1 : 0 };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.stop()));
  }

  abort(): void {
    for (const queue of this.#queues) queue.abort();
  }

  async close(): Promise<void> {
    for (const publisher of this.#publishers.values()) publisher.stop();
    await this.#connection.close();
  }

  get #delays() {
    return { delay: this.#settings.reconnectDelay, maxDelay: this.#settings.reconnectMaxDelay };
  }

  /** Publisher of an exchange, with a channel of its own: an error of one exchange does not affect the others. */
  #publisherOf(exchange: string): Publisher {
    const known = this.#publishers.get(exchange);
    if (known !== undefined) return known;
    const { declare, timeout } = this.#settings;
    const onTrouble = (reason: string) => this.#warn('nothing can be published for now', { exchange, reason });
    const publisher = new Publisher({
      connection: this.#connection,
      exchange,
      declare,
      timeout,
      delays: this.#delays,
      onTrouble,
    });
    this.#publishers.set(exchange, publisher);
    return publisher;
  }

  #warn(message: string, more: Readonly<Record<string, string>>): void {
    const { appId, name, log } = this.#context;
    log.warn({ app: appId, connector: name, ...more }, message);
  }
}

/** Matches words with dots between them; `*` is one word, `#` any number of them. */
const PATTERN = /^[^\s.]+(?:\.[^\s.]+)*$/;

function checkUse({ name, plan, settings, sources, targets }: ConnectorUse<RabbitSettings>, report: Report): void {
  const known = new Map<string, SourceUse>();
  for (const source of sources) {
    const at = source.section.members.get('operation') ?? source.section;
    const { name: queue, binding } = queueOf(source, { appId: plan.appId, name, exchange: settings.exchange });
    if (binding !== undefined && (!PATTERN.test(binding.pattern) || !isName(queue))) {
      const hint = 'words with dots between them: "order.updated", "order.*", "order.#"';
      report.add(at.diagnose({ message: `"${source.operation}" is not a pattern of routing keys`, hint }));
    }
    const other = known.get(queue);
    if (other !== undefined && !isSame(source, other)) {
      const message = `the queue "${queue}" is consumed by the flow "${other.flow}", too, with other keys`;
      report.add(at.diagnose({ message, hint: 'each would get some of its messages; write the same keys' }));
    }
    known.set(queue, source);
  }
  for (const { operation, section } of targets) {
    if (operation === 'publish' || operation === 'send' || isRoutingKey(operation)) continue;
    const hint = 'publish, send, or a routing key without * and #';
    const at = section.members.get('operation') ?? section;
    report.add(at.diagnose({ message: `"${operation}" is not an operation of rabbitmq`, hint }));
  }
}

function isRoutingKey(text: string): boolean {
  return isName(text) && !/[\s*#]/.test(text);
}

/** True for flows with the same source, which is consumed once. */
function isSame(one: SourceUse, other: SourceUse): boolean {
  return one.operation === other.operation && JSON.stringify(one.settings) === JSON.stringify(other.settings);
}
