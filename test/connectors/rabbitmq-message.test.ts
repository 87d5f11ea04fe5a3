import type { ConsumeMessage } from 'amqplib';
import { describe, expect, test } from 'vitest';
import { EventKeys } from '../../src/connectors/rabbitmq/event-keys.ts';
import { readMessage } from '../../src/connectors/rabbitmq/message.ts';
import { LIMITS } from '../query/tables.ts';

function messageOf(content: string | Buffer, properties: object = {}, fields: object = {}): ConsumeMessage {
  const known = { exchange: 'amq.topic', routingKey: 'a.b', redelivered: false, deliveryTag: 1, consumerTag: 'c' };
  const message = { content: Buffer.from(content), properties: { headers: {}, ...properties } };
  return { ...message, fields: { ...known, ...fields } } as unknown as ConsumeMessage;
}

const read = (message: ConsumeMessage, metadata?: string) => readMessage(message, { limits: LIMITS, metadata }).input;
const notesOf = (message: ConsumeMessage) => readMessage(message, { limits: LIMITS, metadata: undefined }).notes;

describe('the input of a message', () => {
  test.each([
    ['an object', '{"id":1,"room":"a"}', {}, { id: 1, room: 'a' }],
    ['an object with a type', '{"id":1}', { contentType: 'application/vnd.x+json; charset=utf-8' }, { id: 1 }],
    ['another value', '[1,2]', {}, { body: [1, 2] }],
    ['nothing', '', {}, { body: '' }],
    ['text', 'hello', {}, { body: 'hello' }],
    ['JSON that is called text', '{"id":1}', { contentType: 'text/plain' }, { body: '{"id":1}' }],
    ['what is called JSON and is not', '{"id":', { contentType: 'application/json' }, { body: '{"id":' }],
    ['a number that would be rounded', '12345678901234567890', {}, { body: '12345678901234567890' }],
    ['nesting without an end', '['.repeat(100) + ']'.repeat(100), {}, { body: '['.repeat(100) + ']'.repeat(100) }],
    ['one among others', '{"a":"x","n":9007199254740993}', {}, { a: 'x', n: '9007199254740993' }],
    ['bytes', Buffer.from([0xff, 0xfe]), {}, { body: '//4=', encoding: 'base64' }],
    ['text with NUL', 'a\0b', {}, { body: 'YQBi', encoding: 'base64' }],
    ['JSON with NUL', '{"a":"\\u0000"}', {}, { body: '{"a":"\\u0000"}' }],
  ])('%s', (_what, content, properties, input) => {
    expect(read(messageOf(content, properties))).toEqual(input);
  });

  const JSON_TYPED = { contentType: 'application/json' };

  test.each([
    ['broken JSON', '{"t":"broken"', JSON_TYPED, /INVALID_JSON: Not valid JSON: it ends too early/],
    ['no JSON', 'not json', JSON_TYPED, /INVALID_JSON/],
    ['nothing', '', JSON_TYPED, /INVALID_JSON: The text is empty/],
    ['a byte order mark', '\uFEFF{"t":"x"}', JSON_TYPED, /INVALID_JSON/],
    ['bytes', Buffer.from([0x22, 0xff, 0x22]), JSON_TYPED, /INVALID_JSON: The text is not UTF-8/],
    ['NUL', '{"t":"\\u0000"}', JSON_TYPED, /VALIDATION_ERROR: Strings must not have NUL/],
    ['half a character', '{"t":"\\ud800"}', JSON_TYPED, /VALIDATION_ERROR: Strings must not have lone surrogates/],
    ['NUL without a type', '{"t":"\\u0000"}', {}, /VALIDATION_ERROR/],
    ['nesting without an end', '['.repeat(100) + ']'.repeat(100), {}, /TOO_DEEP/],
  ])('%s is marked as unreadable, and says why', (_what, content, properties, reason) => {
    expect(notesOf(messageOf(content, properties)).unreadable).toMatch(reason);
  });

  test.each([
    ['an object', '{"t":"x"}', JSON_TYPED, { sent: ['t'] }],
    ['a list', '[{"t":"x"}]', JSON_TYPED, { sent: ['body'], whole: 'a list' }],
    ['a number', '5', JSON_TYPED, { sent: ['body'], whole: 'a number' }],
    ['null', 'null', JSON_TYPED, { sent: ['body'], whole: 'null' }],
    ['text', '{"t":"x"}', { contentType: 'text/plain' }, { sent: ['body'], whole: 'text' }],
    ['bytes', Buffer.from([0xff]), {}, { sent: ['body'], whole: 'bytes' }],
  ])('%s says what was sent', (_what, content, properties, notes) => {
    expect(notesOf(messageOf(content, properties))).toEqual(notes);
  });

  test('metadata comes where it is asked for, and does not lose to the content', () => {
    const message = messageOf('{"m":"fake"}', { timestamp: 5, headers: { n: 1, bytes: Buffer.from('x') } });
    expect(read(message, 'm')).toMatchObject({ m: { routing_key: 'a.b', timestamp: 5, headers: { n: 1 } } });
  });

  test.each(['{"__proto__":{"admin":true}}', '{"a":[{"__proto__":1}]}'])('%s is no JSON of a record', (content) => {
    expect(read(messageOf(content))).toEqual({ body: content });
  });
});

describe('keys of events', () => {
  test('a message_id always has the same key, and another one in each queue', () => {
    const message = messageOf('{}', { messageId: 'm1' });
    const key = new EventKeys('a', 10).keyOf(message);
    expect(new EventKeys('a', 10).keyOf(messageOf('{"other":1}', { messageId: 'm1' }))).toBe(key);
    expect(new EventKeys('b', 10).keyOf(message)).not.toBe(key);
  });

  test('a message without one is known again when it comes once more after a closed channel', () => {
    const keys = new EventKeys('a', 10);
    const [first, second] = [keys.keyOf(messageOf('{}')), keys.keyOf(messageOf('{}'))];
    expect(first).not.toBe(second);
    keys.acknowledged(messageOf('{}'), first);
    keys.channelClosed();
    const again = messageOf('{}', { headers: { 'x-delivery-count': 1 } }, { redelivered: true });
    expect(keys.keyOf(again)).toBe(second);
    expect([first, second]).not.toContain(keys.keyOf(again));
  });

  test('a new message does not get the key of a lost one', () => {
    const keys = new EventKeys('a', 10);
    const lost = keys.keyOf(messageOf('{}'));
    keys.channelClosed();
    expect(keys.keyOf(messageOf('{}'))).not.toBe(lost);
    expect(keys.keyOf(messageOf('{"x":1}', {}, { redelivered: true }))).not.toBe(lost);
  });

  test('no more is remembered than can be open at a time', () => {
    const keys = new EventKeys('a', 2);
    const lost = ['1', '2', '3'].map((content) => keys.keyOf(messageOf(content)));
    keys.channelClosed();
    const again = ['1', '2', '3'].map((content) => keys.keyOf(messageOf(content, {}, { redelivered: true })));
    expect(again.filter((key) => lost.includes(key))).toHaveLength(2);
  });
});
