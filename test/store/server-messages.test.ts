import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SplitMessages } from '../../src/store/server-messages.ts';

const MAX_BYTES = 100;

function open(name: string) {
  const parts = new SplitMessages(name, MAX_BYTES);
  const received: string[] = [];
  parts.listen('chat', (text, server) => received.push(`${server}:${text}`));
  return { parts, received };
}

test('any text arrives whole, in parts of no more bytes than a transport takes', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme', maxLength: 400 }), { maxLength: 5 }), (texts) => {
      const [one, other] = [open('one'), open('other')];
      for (const text of texts) {
        for (const part of one.parts.split('chat', text)) {
          expect(Buffer.byteLength(part)).toBeLessThanOrEqual(MAX_BYTES);
          other.parts.receive(part);
        }
      }
      expect(other.received).toEqual(texts.map((text) => `one:${text.toWellFormed()}`));
    }),
  );
});

test('a message with a lost part is dropped, and the next one arrives; parts of two servers may mix', () => {
  const [one, two, other] = [open('one'), open('two'), open('other')];
  const [first, second, third] = one.parts.split('chat', 'x'.repeat(150)) as [string, string, string];
  const another = two.parts.split('chat', 'y'.repeat(150));
  for (const lost of [first, second, third]) {
    for (const [i, part] of [first, second, third].entries()) {
      if (part !== lost) other.parts.receive(part);
      other.parts.receive(another[i] as string);
    }
  }
  expect(other.received).toEqual(Array(3).fill(`two:${'y'.repeat(150)}`));
  for (const part of one.parts.split('chat', 'short')) other.parts.receive(part);
  expect(other.received.at(-1)).toBe('one:short');
});

test('neither own messages nor those of other topics nor other payloads are received', () => {
  const [one, other] = [open('one'), open('other')];
  for (const part of one.parts.split('chat', 'mine')) one.parts.receive(part);
  for (const part of one.parts.split('else', 'x')) other.parts.receive(part);
  for (const text of ['', 'one', 'one 1 1/1 chat', 'one x 1/1 chat text']) other.parts.receive(text);
  expect([one.received, other.received]).toEqual([[], []]);
});
