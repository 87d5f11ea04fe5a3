import type { FlatKeys } from '../../config/keys/section.ts';
import {
  booleanKey,
  type ConfigKey,
  countKey,
  durationKey,
  optional,
  required,
  type Texts,
  textKey,
  textsByNameKey,
} from '../../config/keys/values.ts';

/** Settings of a connector of type `rabbitmq`; times in milliseconds. */
export interface RabbitSettings {
  /** Contains name and password: never logged. */
  readonly url: string;
  readonly exchange: string;
  readonly declare: boolean;
  readonly prefetch: number;
  readonly heartbeat: number;
  readonly timeout: number;
  readonly reconnectDelay: number;
  readonly reconnectMaxDelay: number;
}

/** Keys of `from:` of a flow that starts with a message. */
export interface QueueSettings {
  readonly queue: string | undefined;
  readonly exchange: string | undefined;
  readonly prefetch: number | undefined;
  readonly metadata: string | undefined;
}

/** Keys of `to:` of a flow that ends with a message for a queue. */
export interface SendSettings {
  readonly persistent: boolean;
  readonly headers: Readonly<Record<string, string>>;
}

/** Keys of `to:` of a flow that ends with a message for an exchange. */
export interface PublishSettings extends SendSettings {
  readonly exchange: string | undefined;
  readonly mandatory: boolean;
}

const MAX_HEARTBEAT_MS = 3_600_000;
const MAX_PREFETCH_MESSAGES = 65_535;
/** Length of a name in the protocol (AMQP 0-9-1 §4.2.5.3, short strings). */
const MAX_NAME_BYTES = 255;

export const RABBIT_KEYS: FlatKeys<RabbitSettings> = {
  url: required(
    urlKey({
      what: 'URL of the broker with user, password and virtual host: `amqp://user:password@host:5672/vhost`',
      shownDefault: 'required',
    }),
  ),
  exchange: nameKey('amq.topic', { what: 'Topic exchange that messages come from and go to' }),
  declare: booleanKey(true, {
    what: 'Whether missing exchanges and queues are declared; otherwise they must exist',
  }),
  prefetch: countKey(
    10,
    { what: 'Maximum number of unacknowledged messages that the broker sends from one queue' },
    { max: MAX_PREFETCH_MESSAGES },
  ),
  heartbeat: durationKey(
    '10s',
    { what: 'Interval of heartbeats; the connection is lost after two missed ones' },
    { min: 1000, max: MAX_HEARTBEAT_MS },
  ),
  timeout: durationKey('10s', { what: 'Maximum time to connect, and to wait for a confirmation of the broker' }),
  reconnectDelay: durationKey('500ms', { what: 'Wait before the first reconnect; it doubles with each attempt' }),
  reconnectMaxDelay: durationKey('30s', { what: 'Maximum wait between attempts to connect' }),
};

export const QUEUE_KEYS: FlatKeys<QueueSettings> = {
  queue: nameKey(undefined, {
    what: 'Existing queue to read from; nothing is declared or bound, and the operation is only a name',
    shownDefault: '`{app_id}.{connector}.{operation}`, bound to the exchange',
  }),
  exchange: nameKey(undefined, {
    what: 'Topic exchange that messages come from',
    shownDefault: 'that of the connector',
  }),
  prefetch: optional(
    countKey(
      1,
      { what: 'Maximum number of unacknowledged messages of this queue', shownDefault: 'that of the connector' },
      { max: MAX_PREFETCH_MESSAGES },
    ),
  ),
  metadata: textKey(undefined, {
    what: 'Property of the input that receives the properties of the message',
    shownDefault: 'none',
  }),
};

export const SEND_KEYS: FlatKeys<SendSettings> = {
  persistent: booleanKey(true, { what: 'Whether the broker keeps the message on disk' }),
  headers: messageHeadersKey({ what: 'Headers of the message' }),
};

export const PUBLISH_KEYS: FlatKeys<PublishSettings> = {
  ...SEND_KEYS,
  exchange: nameKey(undefined, { what: 'Exchange that messages go to', shownDefault: 'that of the connector' }),
  mandatory: booleanKey(false, { what: 'Whether the delivery fails when the message reaches no queue' }),
};

function urlKey(texts: Texts): ConfigKey<string | undefined> {
  return {
    type: 'URL',
    default: undefined,
    ...texts,
    read: (written) => {
      const url = typeof written === 'string' && URL.canParse(written) ? new URL(written) : undefined;
      // The message does not quote the value: it may contain a password.
      if (url !== undefined && ['amqp:', 'amqps:'].includes(url.protocol) && url.hostname !== '') {
        return { value: written as string };
      }
      const hint = 'write amqp://user:password@host:5672/vhost, or amqps://… over TLS';
      return { message: 'expected an address that begins with amqp:// or amqps://', hint };
    },
  };
}

/** Key for the name of a queue, an exchange or a routing key. */
function nameKey<D extends string | undefined>(value: D, texts: Texts): ConfigKey<string | D> {
  const text = textKey(value, texts);
  return {
    ...text,
    read: (written) => {
      const reading = text.read(written);
      if ('message' in reading || isName(String(reading.value))) return reading;
      return { message: `expected a name of at most ${MAX_NAME_BYTES} bytes` };
    },
  };
}

export function isName(text: string): boolean {
  return text !== '' && Buffer.byteLength(text) <= MAX_NAME_BYTES;
}

function messageHeadersKey(texts: Texts): ConfigKey<Readonly<Record<string, string>>> {
  return textsByNameKey(texts, (fields) => {
    const wrong = fields.find(([name, text]) => !isName(name) || typeof text !== 'string')?.[0];
    return wrong === undefined
      ? { value: Object.fromEntries(fields) as Record<string, string> }
      : { message: `${wrong.slice(0, 50)} is not a string`, hint: 'put numbers in quotes' };
  });
}
