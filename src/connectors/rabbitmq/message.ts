import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { parseJson } from '../../resources/body/json.ts';
import { checkJson, type ValueLimits } from '../../resources/body/values.ts';
import type { FlowData } from '../connector.ts';
import { membersOf } from '../flows/members.ts';

const JSON_TYPE = /^application\/(?:json|[\w.-]+\+json)\s*(?:;|$)/i;

export interface ReadOptions {
  readonly limits: ValueLimits;
  /** Name of the member for what is known of the message; undefined for none. */
  readonly metadata: string | undefined;
}

/**
 * What a flow is told of a message: the members of its JSON, or `body` with other JSON or text; of anything else its bytes
 * in base64, and `encoding` says so. Every message can be read: nothing would come after one that cannot.
 */
export function readMessage(message: ConsumeMessage, { limits, metadata }: ReadOptions): FlowData {
  const input = readContent(message, limits);
  return metadata === undefined ? input : { ...input, [metadata]: readMetadata(message) };
}

function readContent({ content, properties }: ConsumeMessage, limits: ValueLimits): FlowData {
  const type: unknown = properties.contentType;
  const isTyped = typeof type === 'string' && type !== '';
  if (!isTyped || JSON_TYPE.test(type)) {
    try {
      return membersOf(parseChecked(content, limits));
    } catch {
      // It was none, whatever it is called.
    }
  }
  const isText = isUtf8(content) && !content.includes(0);
  return isText ? { body: content.toString('utf8') } : { body: content.toString('base64'), encoding: 'base64' };
}

function parseChecked(content: Buffer, limits: ValueLimits): unknown {
  const value = parseJson(content);
  checkJson(limits)(value, 'body', (field, wrong) => {
    throw new RangeError(`${field} ${wrong}`);
  });
  return value;
}

function readMetadata({ fields, properties }: ConsumeMessage): FlowData {
  const { messageId, correlationId, replyTo, type, appId, timestamp, contentType, headers } = properties;
  const known = {
    exchange: fields.exchange,
    routing_key: fields.routingKey,
    redelivered: fields.redelivered,
    message_id: messageId,
    correlation_id: correlationId,
    reply_to: replyTo,
    type,
    app_id: appId,
    timestamp,
    content_type: contentType,
  };
  const told = Object.entries(known).filter(([, value]) => value !== undefined);
  return clean({ ...Object.fromEntries(told), headers: headers ?? {} }) as FlowData;
}

/** As JSON, without what no record may have. Tables in headers may hold bytes and dates. */
function clean(value: unknown): unknown {
  const text = JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'string' ? member.replaceAll('\0', '').toWellFormed() : member,
  );
  return JSON.parse(text);
}

/** What makes a message the same when it comes again, for those that their sender has given no id. */
export function fingerprint({ content, properties, fields }: ConsumeMessage): string {
  const { headers, timestamp, type, correlationId } = properties;
  // A broker counts deliveries in a header of quorum queues.
  const { 'x-delivery-count': _count, ...own } = (headers ?? {}) as Record<string, unknown>;
  const known = JSON.stringify([fields.exchange, fields.routingKey, own, timestamp, type, correlationId]);
  return createHash('sha256').update(known).update('\0').update(content).digest('base64url');
}
