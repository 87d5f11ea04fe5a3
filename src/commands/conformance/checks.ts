import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import { ConformancePeer, isFor, MAX_WAIT_MS, type Message, type PeerOptions } from './connection.ts';

/** Server and table that are checked. */
export interface ConformanceSubject extends Pick<PeerOptions, 'url' | 'token' | 'timeout'> {
  readonly table: string;
  /** Text field that the checks change. */
  readonly field: string;
  /** Values that every record needs. */
  readonly data: Message;
}

/** Rule of the specification. */
export interface ConformanceRule {
  /** Section of PROTOCOL.md. */
  readonly section: string;
  readonly title: string;
  /** Throws an error with the reason when the server breaks the rule. */
  run(subject: ConformanceSubject): Promise<void>;
}

/** Fails a check unless the condition holds. */
function expect(condition: boolean, otherwise: string, found?: unknown): asserts condition {
  if (!condition) throw new Error(found === undefined ? otherwise : `${otherwise}: ${JSON.stringify(found)}`);
}

function codeOf({ problem }: Message): unknown {
  return (problem as Message | undefined)?.code;
}

/** Connection with what most checks need: records of its own, which are removed at the end. */
class Scene {
  readonly peer: ConformancePeer;
  readonly subject: ConformanceSubject;
  readonly mark = randomUUID();
  readonly #keys = new Set<string>();
  #refs = 0;

  constructor(peer: ConformancePeer, subject: ConformanceSubject) {
    this.peer = peer;
    this.subject = subject;
  }

  /** Query of the records of this check. */
  get query(): string {
    const { table, field } = this.subject;
    return `${table}?${field}==${this.mark}`;
  }

  key(name: string): string {
    return `${this.mark}-${name}`;
  }

  /** Writes the record with this name; its text is that of the check unless another is given. */
  async put(name: string, { text = this.mark, ...more }: Message & { text?: string } = {}): Promise<Message> {
    const { table, field, data } = this.subject;
    const key = this.key(name);
    this.#keys.add(key);
    const message = { type: 'write', op: 'put', table, key, data: { ...data, [field]: text }, ...more };
    return this.peer.ask(`put-${this.#refs++}`, message);
  }

  async remove(name: string): Promise<Message> {
    const { table } = this.subject;
    this.#keys.delete(this.key(name));
    return this.peer.ask(`delete-${this.#refs++}`, { type: 'write', op: 'delete', table, key: this.key(name) });
  }

  async end(): Promise<void> {
    for (const key of this.#keys) {
      this.peer.send({ type: 'write', op: 'delete', table: this.subject.table, key });
    }
    await this.peer.ask('end', { type: 'ping' }).catch(() => undefined);
    this.peer.close();
  }
}

function rule(section: string, title: string, run: (scene: Scene) => Promise<void>): ConformanceRule {
  return {
    section,
    title,
    async run(subject) {
      const peer = await ConformancePeer.open(subject);
      const scene = new Scene(peer, subject);
      try {
        await run(scene);
      } finally {
        await scene.end();
      }
    },
  };
}

function acknowledged(answer: Message): Message {
  expect(answer.type === 'ack', 'the write was not acknowledged', answer);
  return answer;
}

const CONNECTING: readonly ConformanceRule[] = [
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
      expect(status === 400, 'the status was another', status);
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
    title: 'the protocol is spoken over an event stream with POST',
    run: checkStream,
  },
  rule('7.3', 'the first message is hello, with protocol, connection, schema and limits', async ({ peer }) => {
    const hello = await peer.next('hello');
    expect(hello.type === 'hello' && hello.protocol === 'tablecast.v1', 'it is not', hello);
    const hasNames = typeof hello.connection === 'string' && typeof hello.schema === 'string';
    expect(hasNames && typeof hello.limits === 'object', 'members are missing', hello);
  }),
  rule('7.2', 'ping is answered with pong and its ref', async ({ peer }) => {
    expect((await peer.ask('a', { type: 'ping' })).type === 'pong', 'the answer is no pong');
  }),
  rule('7.2', 'messages are answered in order', async ({ peer }) => {
    const refs = [...Array(20).keys()].map(String);
    for (const ref of refs) peer.send({ type: 'ping', ref });
    const answers: unknown[] = [];
    while (answers.length < refs.length) answers.push((await peer.next('pong', ({ type }) => type === 'pong')).ref);
    expect(answers.join() === refs.join(), 'the order is another', answers);
  }),
  rule(
    '7.2',
    'an unknown type and an unknown member are INVALID_MESSAGE, and the connection stays open',
    async ({ peer }) => {
      expect(codeOf(await peer.ask('t', { type: 'dance' })) === 'INVALID_MESSAGE', 'the type was not refused');
      expect(
        codeOf(await peer.ask('m', { type: 'ping', more: 1 })) === 'INVALID_MESSAGE',
        'the member was not refused',
      );
      expect((await peer.ask('p', { type: 'ping' })).type === 'pong', 'the connection does not answer any more');
    },
  ),
];

const SUBSCRIPTIONS: readonly ConformanceRule[] = [
  rule('7.4', 'a snapshot has the stored records, then ready', async (scene) => {
    acknowledged(await scene.put('a'));
    const [page, ready, ...more] = await scene.peer.subscribe(1, scene.query);
    expect(page?.type === 'page' && Array.isArray(page.records), 'there is no page', page);
    const [record] = page.records as Message[];
    expect(record?.id === scene.key('a') && typeof record.data === 'object', 'the record is not in it', page);
    expect(ready?.type === 'ready' && more.length === 0, 'ready does not follow', ready);
  }),
  rule('7.3', 'positions are strings', async (scene) => {
    const ack = acknowledged(await scene.put('a'));
    const [page, ready] = await scene.peer.subscribe(1, scene.query);
    const [record] = (page?.records ?? []) as Message[];
    const seq = record?.seq;
    const all = [ack.seq, ready?.seq, seq];
    expect(
      all.every((position) => typeof position === 'string'),
      'they are not',
      all,
    );
    expect(seq === ack.seq, 'the record has another seq than its acknowledgement', all);
  }),
  rule('7.4', 'changes follow, with op, id, seq, time and data', async (scene) => {
    await scene.peer.subscribe(1, scene.query);
    const created = acknowledged(await scene.put('a'));
    const message = await scene.peer.change(1);
    expect(message.type === 'update' && message.op === 'create', 'it is no create', message);
    expect(message.id === scene.key('a') && message.seq === created.seq, 'id or seq are others', message);
    expect(!Number.isNaN(Date.parse(String(message.time))), 'time is not ISO 8601', message.time);
    expect((message.data as Message)[scene.subject.field] === scene.mark, 'data is not the record', message.data);
  }),
  rule('7.4', 'a record that leaves the conditions is a delete with the reason filter', async (scene) => {
    acknowledged(await scene.put('a'));
    await scene.peer.subscribe(1, scene.query);
    acknowledged(await scene.put('a', { text: 'elsewhere' }));
    const message = await scene.peer.change(1);
    expect(message.type === 'delete' && message.reason === 'filter', 'it is another', message);
  }),
  rule('7.4', 'a removed record is a delete', async (scene) => {
    acknowledged(await scene.put('a'));
    await scene.peer.subscribe(1, scene.query);
    acknowledged(await scene.remove('a'));
    const message = await scene.peer.change(1);
    expect(message.type === 'delete' && message.id === scene.key('a'), 'it is another', message);
    expect(message.reason === undefined, 'it has a reason', message);
  }),
  rule('7.4', 'a record is subscribed to by its address', async (scene) => {
    const { table } = scene.subject;
    await scene.peer.subscribe(1, `${table}/${encodeURIComponent(scene.key('a'))}`);
    acknowledged(await scene.put('b'));
    acknowledged(await scene.put('a'));
    const message = await scene.peer.change(1);
    expect(message.id === scene.key('a'), 'it is of another record', message);
  }),
  rule('7.4', 'without a snapshot only ready comes', async (scene) => {
    acknowledged(await scene.put('a'));
    const messages = await scene.peer.subscribe(1, scene.query, { snapshot: false });
    expect(messages.length === 1, 'more came', messages);
  }),
  rule('7.4', 'a position resumes with exactly the changes after it', async (scene) => {
    const { seq } = acknowledged(await scene.put('a'));
    acknowledged(await scene.put('b'));
    acknowledged(await scene.put('c'));
    const messages = await scene.peer.subscribe(1, scene.query, { since: seq });
    const ids = messages.slice(0, -1).map(({ type, id }) => (type === 'update' ? id : type));
    expect(ids.join() === [scene.key('b'), scene.key('c')].join(), 'others came', messages);
  }),
  rule('7.4', 'a position that cannot be resumed is a reset, then the whole state', async (scene) => {
    acknowledged(await scene.put('a'));
    const messages = await scene.peer.subscribe(1, scene.query, { since: '1' });
    const types = messages.map(({ type }) => type);
    expect(types.join() === 'reset,page,ready', 'the order is another', types);
    expect(typeof messages[0]?.reason === 'string', 'the reset has no reason', messages[0]);
  }),
  rule('7.3', 'a change is sent once for all subscriptions that receive it', async (scene) => {
    for (const id of [1, 'two']) await scene.peer.subscribe(id, scene.query, { snapshot: false });
    acknowledged(await scene.put('a'));
    await scene.peer.quiet();
    const changes = scene.peer.messages.filter(({ type }) => type === 'update');
    expect(changes.length === 1, 'it came several times, or not at all', changes);
    expect(isFor(changes[0] as Message, 1) && isFor(changes[0] as Message, 'two'), 'an id is missing', changes);
  }),
  rule('7.4', 'nothing comes after unsubscribed', async (scene) => {
    const { peer } = scene;
    await peer.subscribe(1, scene.query);
    peer.send({ type: 'unsubscribe', id: 1 });
    await peer.next('unsubscribed', ({ type, id }) => type === 'unsubscribed' && id === 1);
    const before = peer.of(1).length;
    acknowledged(await scene.put('a'));
    await peer.quiet();
    expect(peer.of(1).length === before, 'something came', peer.of(1).at(-1));
  }),
  rule('7.4', 'an id that is in use is taken over', async (scene) => {
    const { table, field } = scene.subject;
    await scene.peer.subscribe(1, scene.query, { snapshot: false });
    await scene.peer.subscribe(1, `${table}?${field}==${scene.key('none')}`, { snapshot: false });
    acknowledged(await scene.put('a'));
    await scene.peer.quiet();
    expect(
      scene.peer.of(1).every(({ type }) => type === 'ready'),
      'the earlier one goes on',
      scene.peer.of(1),
    );
  }),
  rule('7.5', 'no more comes than the credit, and the rest with more credit', async (scene) => {
    const { peer } = scene;
    await peer.subscribe(1, scene.query, { snapshot: false, credit: { frames: 2 } });
    for (const name of ['a', 'b', 'c', 'd']) acknowledged(await scene.put(name));
    await peer.quiet();
    const idsOf = () => peer.of(1).flatMap(({ type, id }) => (type === 'update' ? [id] : []));
    expect(idsOf().length === 2, 'the number is another', idsOf());
    peer.send({ type: 'credit', id: 1, frames: 10 });
    await peer.next('the rest', (message) => isFor(message, 1) && message.id === scene.key('d'));
    const all = ['a', 'b', 'c', 'd'].map((name) => scene.key(name));
    expect(idsOf().join() === all.join(), 'they are not in order, or not complete', idsOf());
  }),
];

const WRITES: readonly ConformanceRule[] = [
  rule('7.6', 'a write is acknowledged with ref, key and seq', async (scene) => {
    const ack = acknowledged(await scene.put('a'));
    expect(ack.key === scene.key('a') && typeof ack.seq === 'string' && ack.changed === true, 'it is not', ack);
    expect(acknowledged(await scene.put('a')).changed === false, 'an equal write counts as a change');
  }),
  rule('7.6', 'if_seq of another state is PRECONDITION_FAILED', async (scene) => {
    const { seq } = acknowledged(await scene.put('a'));
    expect(codeOf(await scene.put('a', { if_seq: null })) === 'PRECONDITION_FAILED', 'null was accepted');
    expect(codeOf(await scene.put('a', { text: 'x', if_seq: '1' })) === 'PRECONDITION_FAILED', 'another was accepted');
    acknowledged(await scene.put('a', { text: 'x', if_seq: seq }));
  }),
  {
    section: '7.6',
    title: 'a ref of a client with an id is done once',
    async run(subject) {
      const url = `${subject.url}?client=${randomUUID()}`;
      const [one, two] = [
        await ConformancePeer.open({ ...subject, url }),
        await ConformancePeer.open({ ...subject, url }),
      ];
      try {
        const key = randomUUID();
        const data = { ...subject.data, [subject.field]: 'once' };
        const write = { type: 'write', op: 'put', table: subject.table, key, data };
        const first = acknowledged(await one.ask('once', write));
        const again = acknowledged(await two.ask('once', write));
        expect(again.replayed === true && again.seq === first.seq, 'it was done again', again);
        await two.ask('remove', { type: 'write', op: 'delete', table: subject.table, key });
      } finally {
        one.close();
        two.close();
      }
    },
  },
  rule('7.8', 'an error has the id or the ref, and a problem', async ({ peer }) => {
    peer.send({ type: 'subscribe', id: 'e', query: 'no-such-table' });
    const error = await peer.next('the error', ({ type }) => type === 'error');
    const { type, status, code, detail } = (error.problem ?? {}) as Message;
    expect(error.id === 'e' && code === 'NOT_FOUND' && status === 404, 'it is another', error);
    expect(typeof type === 'string' && typeof detail === 'string', 'the problem is not complete', error);
    const refused = await peer.ask('r', { type: 'write', op: 'put', table: 'no-such-table', data: {} });
    expect(refused.type === 'error' && refused.ref === 'r', 'the error of a write has no ref', refused);
  }),
];

/** All rules, in the order in which they are checked. */
export const RULES: readonly ConformanceRule[] = [...CONNECTING, ...SUBSCRIPTIONS, ...WRITES];

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
