import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decode as decodePack, encode as encodePack } from '@msgpack/msgpack';
import { decode as decodeCbor, encode as encodeCbor } from 'cborg';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Json } from './frames.ts';

/** Rules of protocol v1 that the server can break, each by name. */
export const FAULTS = [
  'subprotocol',
  'unknown-subprotocol',
  'cbor',
  'msgpack',
  'stream',
  'hello',
  'ping',
  'order',
  'unknown-member',
  'page',
  'numbers',
  'change',
  'filter',
  'delete',
  'record',
  'snapshot',
  'resume',
  'reset',
  'once',
  'unsubscribe',
  'replace',
  'credit',
  'ack',
  'if-seq',
  'ref',
  'error',
  'transaction',
  'whole',
  'marks',
  'alone',
  'commit',
  'early',
  'room',
  'room-name',
  'connector',
  'room-query',
] as const;
export type Fault = (typeof FAULTS)[number];

interface Change {
  readonly seq: string;
  readonly op: 'create' | 'update' | 'delete';
  readonly id: string;
  readonly before: Json | undefined;
  readonly after: Json | undefined;
  /** Mark of its transaction. */
  readonly tx?: string | undefined;
}

interface Subscribed {
  readonly id: unknown;
  readonly matches: (id: string, data: Json | undefined) => boolean;
  credit: number;
  readonly held: Json[];
}

const CODECS: Readonly<Record<string, { encode(value: unknown): string | Uint8Array; decode(data: Buffer): Json }>> = {
  json: { encode: JSON.stringify, decode: (data) => JSON.parse(data.toString()) as Json },
  cbor: { encode: encodeCbor, decode: (data) => decodeCbor(data) as Json },
  msgpack: { encode: encodePack, decode: (data) => decodePack(data) as Json },
};

/** A small server of protocol v1 with one table `Item`, in memory, which breaks one rule. Use it with `await using`. */
export class V1Mock implements AsyncDisposable {
  readonly #fault: Fault | undefined;
  readonly #server: Server;
  readonly #sockets = new WebSocketServer({ noServer: true, handleProtocols: (offers) => this.#protocol(offers) });
  readonly #sessions = new Set<Session>();
  readonly records = new Map<string, { seq: string; data: Json }>();
  readonly log: Change[] = [];
  readonly acks = new Map<string, Json>();
  #seq = 1000;

  static async start(fault?: Fault): Promise<V1Mock> {
    const mock = new V1Mock(fault);
    await new Promise<void>((resolve) => void mock.#server.listen(0, '127.0.0.1', resolve));
    return mock;
  }

  private constructor(fault: Fault | undefined) {
    this.#fault = fault;
    const streams = new Map<string, Session>();
    this.#server = createServer((request, response) => {
      const name = /\/live\/(.+)$/.exec(request.url ?? '')?.[1];
      if (request.method === 'GET') {
        if (this.breaks('stream')) return void response.writeHead(404).end();
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        const session = this.#open((message) => response.write(`data: ${JSON.stringify(message)}\n\n`), 'stream');
        streams.set('stream', session);
        response.on('close', () => this.#sessions.delete(session));
        return;
      }
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        response.writeHead(202).end();
        for (const message of [JSON.parse(body)].flat()) streams.get(name ?? '')?.receive(message as Json);
      });
    });
    this.#server.on('upgrade', (request, socket, head) => {
      const offers = request.headers['sec-websocket-protocol'] ?? '';
      if (!offers.startsWith('tablecast.v1.') && !this.breaks('unknown-subprotocol')) {
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
        return;
      }
      const client = new URL(request.url ?? '', 'http://x').searchParams.get('client') ?? '';
      this.#sockets.handleUpgrade(request, socket, head, (ws) => this.#serve(ws, offers, client));
    });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/app`;
  }

  breaks(fault: Fault): boolean {
    return this.#fault === fault;
  }

  commit(id: string, data: Json | undefined): Change {
    const [change] = this.commitAll([[id, data]]);
    return change as Change;
  }

  /** Writes records of one transaction. */
  commitAll(writes: readonly (readonly [id: string, data: Json | undefined])[]): Change[] {
    const tx = writes.length > 1 || this.breaks('alone') ? String(this.#seq + writes.length) : undefined;
    const changes = writes.map(([id, data]) => ({
      ...this.#apply(id, data),
      tx: this.breaks('marks') ? undefined : tx,
    }));
    this.log.push(...changes);
    for (const session of this.#sessions) session.publish(changes);
    return changes;
  }

  #apply(id: string, data: Json | undefined): Change {
    const before = this.records.get(id)?.data;
    const seq = String(++this.#seq);
    if (data === undefined) this.records.delete(id);
    else this.records.set(id, { seq, data });
    const op = data === undefined ? 'delete' : before === undefined ? 'create' : 'update';
    return { seq, op, id, before, after: data };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets.clients) socket.terminate();
    this.#server.closeAllConnections();
    // Not waited for: a client that was refused may still hold its socket.
    this.#server.close();
  }

  #protocol(offers: Set<string>): string | false {
    const [offer = ''] = offers;
    return this.breaks('subprotocol') && offer.endsWith('json') ? false : offer;
  }

  #serve(ws: WebSocket, offers: string, client: string): void {
    const name = offers.replace('tablecast.v1.', '');
    const codec = CODECS[this.breaks(name as Fault) ? 'json' : name] ?? CODECS.json;
    if (codec === undefined) return;
    const session = this.#open((message) => ws.send(codec.encode(message)), client);
    ws.on('message', (data: Buffer) => session.receive(codec.decode(data)));
    ws.on('close', () => this.#sessions.delete(session));
    ws.on('error', () => undefined);
  }

  #open(send: (message: Json) => void, client: string): Session {
    const session = new Session(this, send, client);
    this.#sessions.add(session);
    const limits = { subscriptions: 10 };
    const hello = {
      type: 'hello',
      protocol: 'tablecast.v1',
      connection: 'c',
      schema: 's',
      rooms: ['chat'],
      limits,
      post: 'live/stream',
    };
    send(this.breaks('hello') ? { ...hello, protocol: 'tablecast.v2' } : hello);
    return session;
  }
}

class Session {
  readonly #mock: V1Mock;
  readonly #send: (message: Json) => void;
  readonly #client: string;
  readonly #open: Subscribed[] = [];
  #late: Json | undefined;

  constructor(mock: V1Mock, send: (message: Json) => void, client: string) {
    this.#mock = mock;
    this.#send = (message) =>
      send(mock.breaks('numbers') && 'seq' in message ? { ...message, seq: Number(message.seq) } : message);
    this.#client = client;
  }

  receive(message: Json): void {
    const { type, ref } = message;
    const handlers: Readonly<Record<string, () => void>> = {
      ping: () => this.#ping(message),
      subscribe: () => ('room' in message ? this.#join(message) : this.#subscribe(message)),
      unsubscribe: () => this.#unsubscribe(message),
      credit: () => this.#credit(message),
      write: () => this.#write(message),
      transaction: () => this.#transact(message),
      send: () => this.#refuse(message.connector === 'chat' ? 'INVALID_MESSAGE' : 'NOT_FOUND', 404, { ref }),
    };
    const handler = handlers[String(type)];
    if (handler === undefined) this.#refuse('INVALID_MESSAGE', 400, { ref });
    else handler();
  }

  publish(changes: readonly Change[]): void {
    for (const change of changes) {
      const rest = changes.slice(changes.indexOf(change) + 1);
      this.#publish(change, (subscribed) => rest.some((other) => this.#messageOf(other, subscribed) !== undefined));
      if (this.#mock.breaks('early')) this.#commit(change.tx, this.#open.length);
    }
    if (!this.#mock.breaks('early')) this.#commit(changes[0]?.tx, this.#open.length);
  }

  #commit(tx: string | undefined, subscriptions: number): void {
    if (tx !== undefined && subscriptions > 1 && !this.#mock.breaks('commit')) this.#send({ type: 'commit', tx });
  }

  #publish(change: Change, isFollowed: (subscribed: Subscribed) => boolean): void {
    const matching = new Map<string, Json & { s: unknown[] }>();
    for (const subscribed of this.#open) {
      const effect = this.#messageOf(change, subscribed);
      if (effect === undefined) continue;
      const one = change.tx !== undefined && this.#open.length > 1 ? { ...effect, open: true } : effect;
      const message = change.tx !== undefined && isFollowed(subscribed) ? { ...one, more: true } : one;
      if (subscribed.credit <= 0) {
        subscribed.held.push({ ...message, s: [subscribed.id] });
        continue;
      }
      if (!this.#mock.breaks('credit')) subscribed.credit--;
      const key = this.#mock.breaks('once') ? JSON.stringify(subscribed.id) : JSON.stringify(message);
      const known = matching.get(key);
      if (known === undefined) matching.set(key, { ...message, s: [subscribed.id] });
      else known.s.push(subscribed.id);
    }
    for (const message of matching.values()) this.#send(message);
  }

  #messageOf(change: Change, subscribed: Subscribed): Json | undefined {
    const message = this.#effectOf(change, subscribed);
    return message === undefined || change.tx === undefined ? message : { ...message, tx: change.tx };
  }

  #effectOf({ seq, op, id, before, after }: Change, { matches }: Subscribed): Json | undefined {
    const was = before !== undefined && matches(id, before);
    const time = new Date().toISOString();
    if (after !== undefined && matches(id, after)) {
      const wrong = this.#mock.breaks('change') ? { op: 'put' } : { op };
      return { seq, type: 'update', ...wrong, id, time, data: after };
    }
    if (!was) return undefined;
    if (op === 'delete')
      return this.#mock.breaks('delete') ? undefined : { seq, type: 'delete', id, time, data: { id } };
    const reason = this.#mock.breaks('filter') ? {} : { reason: 'filter' };
    return { seq, type: 'delete', id, time, data: { id }, ...reason };
  }

  #ping({ type: _, ref, ...more }: Json): void {
    if (Object.keys(more).length > 0 && !this.#mock.breaks('unknown-member')) {
      this.#refuse('INVALID_MESSAGE', 400, { ref });
      return;
    }
    const pong = { type: this.#mock.breaks('ping') ? 'peng' : 'pong', ref };
    if (this.#mock.breaks('order') && ref === '7') this.#late = pong;
    else this.#send(pong);
    if (ref === '8' && this.#late !== undefined) this.#send(this.#late);
  }

  #join({ id, connector, room, query }: Json): void {
    const mock = this.#mock;
    if (query !== undefined && !mock.breaks('room-query')) this.#refuse('INVALID_MESSAGE', 400, { id });
    else if (connector !== 'chat' && !mock.breaks('connector')) this.#refuse('NOT_FOUND', 404, { id });
    else if (room === '' && !mock.breaks('room-name')) this.#refuse('BAD_REQUEST', 400, { id });
    else this.#send({ type: mock.breaks('room') ? 'joined' : 'subscribed', id });
  }

  #subscribe({ id, query, since, snapshot, credit }: Json): void {
    const mock = this.#mock;
    const [path = '', text = ''] = String(query).split('?');
    const [table, key] = path.split('/');
    if (table !== 'Item') {
      this.#refuse('NOT_FOUND', 404, mock.breaks('error') ? { about: id } : { id });
      return;
    }
    const [field = '', value] = text.split('==');
    const byKey = (each: string) => key === undefined || mock.breaks('record') || each === decodeURIComponent(key);
    const matches = (each: string, data: Json | undefined) =>
      byKey(each) && (value === undefined || data?.[field] === value);
    if (!mock.breaks('replace')) this.#unsubscribe({ id }, false);
    const { frames = Number.POSITIVE_INFINITY } = (credit ?? {}) as { frames?: number };
    const subscribed: Subscribed = { id, matches, credit: frames, held: [] };
    this.#send({ type: 'subscribed', id });
    this.#begin(subscribed, { since, snapshot: mock.breaks('snapshot') ? true : snapshot });
    this.#open.push(subscribed);
  }

  #begin(subscribed: Subscribed, { since, snapshot }: Json): void {
    const mock = this.#mock;
    const head = String(mock.log.at(-1)?.seq ?? '1000');
    const s = [subscribed.id];
    const isKnown = typeof since === 'string' && Number(since) >= 1000;
    if (since !== undefined && !isKnown && !mock.breaks('reset'))
      this.#send({ s, seq: head, type: 'reset', reason: 'position_unknown' });
    if (since !== undefined && isKnown) {
      const changes = mock.log.filter(({ seq }) => Number(seq) > Number(since));
      const messages = changes.map((change) => this.#messageOf(change, subscribed)).filter((one) => one !== undefined);
      const marked = messages.map((one, index) =>
        one.tx !== undefined && messages[index + 1]?.tx === one.tx ? { ...one, more: true } : one,
      );
      const isOpen = ({ tx }: Json) => tx !== undefined && this.#open.length > 0;
      const sent = marked.map((one) => ({ ...one, s, ...(isOpen(one) ? { open: true } : {}) }));
      for (const message of mock.breaks('resume') ? sent.slice(1) : sent) this.#send(message);
      for (const tx of new Set(sent.map((message: Json) => message.tx as string | undefined)))
        this.#commit(tx, this.#open.length + 1);
    } else if (snapshot !== false) {
      const all = [...mock.records].filter(([id, { data }]) => subscribed.matches(id, data));
      const records = all.map(([id, { seq, data }]) => ({ id, seq, data }));
      if (records.length > 0 && !mock.breaks('page')) this.#send({ s, type: 'page', records });
    }
    this.#send({ s, seq: head, type: 'ready' });
  }

  #unsubscribe({ id }: Json, isAsked = true): void {
    const index = this.#open.findIndex((each) => each.id === id);
    if (index >= 0 && !(isAsked && this.#mock.breaks('unsubscribe'))) this.#open.splice(index, 1);
    if (isAsked) this.#send({ type: 'unsubscribed', id });
  }

  #credit({ id, frames }: Json): void {
    const subscribed = this.#open.find((each) => each.id === id);
    if (subscribed === undefined) return;
    subscribed.credit += Number(frames);
    for (const message of subscribed.held.splice(0)) this.#send(message);
  }

  #write({ ref, op, table, key, data, if_seq: condition }: Json): void {
    const mock = this.#mock;
    if (table !== 'Item') {
      this.#refuse('NOT_FOUND', 404, { ref });
      return;
    }
    const id = String(key);
    const known = mock.records.get(id);
    const once = this.#client === '' ? '' : `${this.#client} ${ref}`;
    const before = mock.acks.get(once);
    if (before !== undefined && !mock.breaks('ref')) {
      this.#send({ ...before, replayed: true });
      return;
    }
    if (condition !== undefined && (known?.seq ?? null) !== condition && !mock.breaks('if-seq')) {
      this.#refuse('PRECONDITION_FAILED', 412, { ref });
      return;
    }
    const record = op === 'delete' ? undefined : { id, ...(data as Json) };
    const isEqual = record !== undefined && JSON.stringify(record) === JSON.stringify(known?.data);
    const seq = isEqual ? String(known?.seq) : mock.commit(id, record).seq;
    const ack = { type: 'ack', ref, ...(mock.breaks('ack') ? {} : { key: id }), seq, changed: !isEqual };
    if (once !== '') mock.acks.set(once, ack);
    this.#send(ack);
  }

  /** Knows the steps `put` and `check`. */
  #transact({ ref, steps }: Json): void {
    const mock = this.#mock;
    const all = steps as readonly { op: string; id: string; data: Json; if_seq?: string | null }[];
    const wrong = all.findIndex(
      ({ op, id, if_seq: seq }) => op === 'check' && (mock.records.get(id)?.seq ?? null) !== seq,
    );
    const puts = all.filter(({ op }) => op === 'put');
    if (wrong >= 0) {
      if (mock.breaks('whole')) mock.commitAll(puts.map(({ id, data }) => [id, { id, ...data }]));
      this.#refuse('PRECONDITION_FAILED', 412, { ref }, { step: wrong });
      return;
    }
    const changes = mock.commitAll(puts.map(({ id, data }) => [id, { id, ...data }]));
    const results = changes.map(({ id, seq }) => ({ op: 'put', table: 'Item', id, seq, changed: true }));
    const seq = changes.at(-1)?.seq;
    this.#send({ type: 'ack', ref, seq, results: mock.breaks('transaction') ? [] : results });
  }

  #refuse(code: string, status: number, about: Json, more: Json = {}): void {
    const problem = { type: `urn:tablecast:error:${code}`, title: code, status, detail: code, code, ...more };
    this.#send({ type: 'error', ...about, problem });
  }
}
