import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { ConsumeMessage } from 'amqplib';
import { AppError } from '../../errors.ts';
import type { ValueLimits } from '../../resources/body/values.ts';
import type { FlowData } from '../connector.ts';
import { type SentInput, toFlowInput, wholeOf } from '../flows/flow-input.ts';
import { isJson, parseInputJson } from '../flows/json-input.ts';

const JSON_TYPE = /^application\/(?:json|[\w.-]+\+json)\s*(?:;|$)/i;

export interface MessageOptions {
  readonly limits: ValueLimits;
  /** Name of the member for the metadata of the message; undefined for none. */
  readonly metadata: string | undefined;
}

/**
 * Converts a message to the input of a flow: the members of a JSON object, or `body` with other JSON or text; anything else
 * as base64, with `encoding`. A message that claims to be JSON and is not, or is JSON that no record may have, is marked as
 * unreadable: it becomes a dead letter, and the queue continues.
 */
export function readMessage(message: ConsumeMessage, { limits, metadata }: MessageOptions): SentInput {
  const { input, notes } = readContent(message, limits);
  return { input: metadata === undefined ? input : { ...input, [metadata]: readMetadata(message) }, notes };
}

function readContent({ content, properties }: ConsumeMessage, limits: ValueLimits): SentInput {
  const type: unknown = properties.contentType;
  const isTyped = typeof type === 'string' && type !== '';
  if (isTyped && !JSON_TYPE.test(type)) return readBytes(content);
  // Without a content type the content decides: text that is not JSON is text.
  if (!isTyped && !isJson(content.toString('utf8'))) return readBytes(content);
  try {
    return toFlowInput(parseInputJson(content, limits));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
    const { input, notes } = readBytes(content);
    return { input, notes: { ...notes, unreadable: `the message cannot be read: ${error.code}: ${error.message}` } };
  }
}

function readBytes(content: Buffer): SentInput {
  if (isUtf8(content) && !content.includes(0)) return wholeOf(content.toString('utf8'), 'text');
  return wholeOf(content.toString('base64'), 'bytes', { encoding: 'base64' });
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
  const present = Object.entries(known).filter(([, value]) => value !== undefined);
  return toStorableJson({ ...Object.fromEntries(present), headers: headers ?? {} }) as FlowData;
}

/** Converts to JSON without characters that no record may have. Tables in headers may contain bytes and dates. */
function toStorableJson(value: unknown): unknown {
  const text = JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'string' ? member.replaceAll('\0', '').toWellFormed() : member,
  );
  return JSON.parse(text);
}

/** Digest by which a redelivered message without an id is recognised. */
export function fingerprint({ content, properties, fields }: ConsumeMessage): string {
  const { headers, timestamp, type, correlationId } = properties;
  // Brokers count deliveries in a header of quorum queues.
  const { 'x-delivery-count': _count, ...own } = (headers ?? {}) as Record<string, unknown>;
  const known = JSON.stringify([fields.exchange, fields.routingKey, own, timestamp, type, correlationId]);
  return createHash('sha256').update(known).update('\0').update(content).digest('base64url');
}
