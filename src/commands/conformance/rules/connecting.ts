import { WebSocket } from 'ws';
import { ConformancePeer, MAX_WAIT_MS, type Message } from '../connection.ts';
import { type ConformanceRule, type ConformanceSubject, codeOf, expect, rule } from './rule.ts';

/** Handshakes, codecs and messages about the connection. */
export const CONNECTING: readonly ConformanceRule[] = [
  rule('7.1', 'the subprotocol of the client is selected', async ({ peer }) => {
    expect(peer.subprotocol === 'tablecast.v1.json', 'the handshake selected another one', peer.subprotocol);
  }),
  {
    section: '7.1',
    title: 'a handshake with unknown subprotocols fails with 400',
    async run({ url, token }) {
      const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const status = await new Promise<number>((resolve, reject) => {
        const socket = new WebSocket(url, ['tablecast.v0.none'], { headers });
        socket.on('error', reject);
        socket.once('unexpected-response', (request, { statusCode = 0 }) => {
          request.destroy();
          resolve(statusCode);
        });
        socket.once('open', () => {
          socket.terminate();
          resolve(101);
        });
      });
      expect(status === 400, 'the status is wrong', status);
    },
  },
  ...(['cbor', 'msgpack'] as const).map(
    (codec): ConformanceRule => ({
      section: '7.1',
      title: `messages may be ${codec}`,
      async run(subject) {
        const peer = await ConformancePeer.open({ ...subject, codec });
        try {
          const hello = await peer.next('hello');
          expect(hello.type === 'hello', 'the first message is not hello', hello);
          expect((await peer.ask('p', { type: 'ping' })).type === 'pong', 'ping was not answered with pong');
        } finally {
          peer.close();
        }
      },
    }),
  ),
  {
    section: '7.1',
    title: 'the protocol works over an event stream with POST',
    run: checkStream,
  },
  rule('7.3', 'the first message is hello, with protocol, connection, schema and limits', async ({ peer }) => {
    const hello = await peer.next('hello');
    expect(hello.type === 'hello' && hello.protocol === 'tablecast.v1', 'it is not', hello);
    const hasNames = typeof hello.connection === 'string' && typeof hello.schema === 'string';
    expect(hasNames && typeof hello.limits === 'object', 'members are missing', hello);
  }),
  rule('7.2', 'ping is answered with pong and its ref', async ({ peer }) => {
    expect((await peer.ask('a', { type: 'ping' })).type === 'pong', 'the answer is not pong');
  }),
  rule('7.2', 'messages are answered in order', async ({ peer }) => {
    const refs = [...Array(20).keys()].map(String);
    for (const ref of refs) peer.send({ type: 'ping', ref });
    const answers: unknown[] = [];
    while (answers.length < refs.length) answers.push((await peer.next('pong', ({ type }) => type === 'pong')).ref);
    expect(answers.join() === refs.join(), 'the order is wrong', answers);
  }),
  rule(
    '7.2',
    'an unknown type and an unknown property are INVALID_MESSAGE, and the connection stays open',
    async ({ peer }) => {
      expect(codeOf(await peer.ask('t', { type: 'dance' })) === 'INVALID_MESSAGE', 'the type was not refused');
      expect(
        codeOf(await peer.ask('m', { type: 'ping', more: 1 })) === 'INVALID_MESSAGE',
        'the property was not refused',
      );
      expect((await peer.ask('p', { type: 'ping' })).type === 'pong', 'the connection no longer answers');
    },
  ),
];

async function checkStream({ url, token, timeout = MAX_WAIT_MS }: ConformanceSubject): Promise<void> {
  const address = url.replace(/^ws/, 'http');
  const headers = { accept: 'text/event-stream', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error('the answer did not come')), timeout);
  try {
    const response = await fetch(address, { headers, signal: stop.signal });
    expect(response.status === 200 && response.body !== null, 'the stream was refused', response.status);
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const messages = readEvents(text);
      const [hello] = messages;
      if (hello === undefined) continue;
      expect(hello.type === 'hello' && typeof hello.post === 'string', 'hello has no address for messages', hello);
      if (messages.some(({ type, ref }) => type === 'pong' && ref === 'p')) return;
      if (messages.length > 1) continue;
      const answer = await fetch(new URL(hello.post, address), {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ type: 'ping', ref: 'p' }),
        signal: stop.signal,
      });
      expect(answer.status === 202, 'the message was not accepted', answer.status);
    }
    throw new Error('the stream ended before the answer');
  } finally {
    clearTimeout(timer);
    stop.abort();
  }
}

function readEvents(text: string): Message[] {
  return text
    .split('\n\n')
    .slice(0, -1)
    .flatMap((event) => (event.startsWith('data: ') ? [JSON.parse(event.slice('data: '.length)) as Message] : []));
}
