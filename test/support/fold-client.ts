import type { TestServer } from './app.ts';
import type { Json } from './frames.ts';
import { SseClient, type SseEvent } from './sse-client.ts';
import { V1Client, type V1Kind } from './v1-client.ts';
import { WsClient } from './ws-client.ts';

/** WebSocket and event stream of a table, and the ways to speak protocol v1. */
export type FoldKind = 'ws' | 'sse' | `v1 ${V1Kind}`;

interface Folded {
  readonly position: number;
  readonly list: readonly unknown[];
  readonly total: number | undefined;
}

/** Frame of any protocol. */
interface Step {
  readonly kind: 'retained' | 'update' | 'delete' | 'total' | 'ready' | 'reset' | 'other';
  readonly id?: unknown;
  readonly record?: unknown;
  readonly at?: unknown;
  readonly total?: unknown;
  /** Position that the client has with it; undefined while more of the same change or transaction follows. */
  readonly position?: number | undefined;
}

/** Client that keeps a list by nothing but the frames of its stream, with every state that it had at a position. */
export class FoldClient {
  readonly name: string;
  /** States at positions, in order. */
  readonly states: Folded[] = [];
  readonly #kind: FoldKind;
  readonly #query: string;
  /** True for records without an order. */
  readonly #isSet: boolean;
  #items: { id: unknown; record: unknown }[] = [];
  #waiting: Step[] = [];
  #total: number | undefined;
  #position: number | undefined;
  #isWhole = false;
  #connection: (Disposable & { stall(): void; wake(): void }) | undefined;

  /** Position of the newest change of any table. */
  static async head(server: TestServer): Promise<number> {
    using ws = await WsClient.open(server.wsUrl('Item?id==none'));
    return Number((await ws.ready()).seq);
  }

  constructor(kind: FoldKind, query: string, isSet: boolean) {
    this.name = `${kind} ${query}`;
    this.#kind = kind;
    this.#query = query;
    this.#isSet = isSet;
  }

  get list(): readonly unknown[] {
    return this.#items.map(({ record }) => record);
  }

  get total(): number | undefined {
    return this.#total;
  }

  inOrder(list: readonly unknown[]): readonly unknown[] {
    const byText = (one: unknown, other: unknown) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1);
    return this.#isSet ? list.toSorted(byText) : list;
  }

  /** Begins, or goes on from its position, when it is not open. */
  async open(server: TestServer): Promise<void> {
    if (this.#connection !== undefined) return;
    this.#waiting = [];
    if (!this.#isWhole) this.#items = [];
    const from = this.#isWhole ? `since=${this.#position}` : 'retained=true';
    const path = `Item?${[this.#query, from].filter(Boolean).join('&')}`;
    if (this.#kind === 'ws') {
      const client = await WsClient.open(server.wsUrl(path));
      const { socket } = client;
      // Frames that came with the answer to the upgrade are kept already.
      for (const text of client.texts) this.#take(ofFrame(JSON.parse(text) as Json));
      socket.on('message', (data) => this.#take(ofFrame(JSON.parse(String(data)) as Json)));
      this.#connection = {
        stall: () => socket.pause(),
        wake: () => socket.resume(),
        [Symbol.dispose]: () => client.terminate(),
      };
    } else if (this.#kind === 'sse') {
      const client = await SseClient.open(server.url(path));
      client.events.each((event) => this.#take(ofEvent(event)));
      this.#connection = {
        stall: () => client.pause(),
        wake: () => client.resume(),
        [Symbol.dispose]: () => client.close(),
      };
    } else {
      const kind = this.#kind.slice(3) as V1Kind;
      const client = await V1Client.open(`${server.origin}/my-app`, { kind });
      client.messages.each((message) => {
        for (const one of ofMessage(message)) this.#take(one);
      });
      const start = this.#isWhole ? { since: this.#since } : {};
      client.send({ type: 'subscribe', id: 1, query: `Item?${this.#query}`, ...start });
      this.#connection = {
        stall: () => client.stall(),
        wake: () => client.wake(),
        [Symbol.dispose]: () => client[Symbol.dispose](),
      };
    }
  }

  get #since(): string {
    return String(this.#position);
  }

  stall(): void {
    this.#connection?.stall();
  }

  wake(): void {
    this.#connection?.wake();
  }

  close(): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
  }

  /** Applies frames when the last one of their change or transaction has come. */
  #take(step: Step): void {
    if (step.kind === 'other') return;
    if (step.kind === 'reset') {
      this.#items = [];
      this.#waiting = [];
      this.#isWhole = false;
      return;
    }
    if (step.kind === 'retained') {
      this.#isWhole = false;
      this.#items.push({ id: step.id, record: step.record });
      return;
    }
    this.#waiting.push(step);
    if (step.position === undefined) return;
    for (const one of this.#waiting.splice(0)) this.#apply(one);
    if (step.kind === 'ready') this.#isWhole = true;
    this.#position = step.position;
    if (this.#isWhole) this.states.push({ position: step.position, list: this.list, total: this.#total });
  }

  #apply({ kind, id, record, at, total }: Step): void {
    if (typeof total === 'number') this.#total = total;
    if (kind !== 'update' && kind !== 'delete') return;
    this.#items = this.#items.filter((item) => item.id !== id);
    if (kind === 'update') this.#items.splice(typeof at === 'number' ? at : this.#items.length, 0, { id, record });
  }
}

function positionOf({ more, seq }: Json): number | undefined {
  return more === true ? undefined : Number(seq);
}

function ofFrame(frame: Json): Step {
  const { message_type, type, id, data: record, at, total } = frame;
  const position = positionOf(frame);
  if (message_type === 'Retained') return { kind: 'retained', id, record };
  if (message_type === 'Update' || message_type === 'Delete')
    return { kind: message_type === 'Update' ? 'update' : 'delete', id, record, at, total, position };
  return type === 'ready' || type === 'reset' || type === 'total' ? { kind: type, total, position } : { kind: 'other' };
}

const EVENTS = ['retained', 'update', 'delete', 'ready', 'reset', 'total'] as const;

function ofEvent({ event, data, id: eventId }: SseEvent): Step {
  const kind = EVENTS.find((name) => name === event);
  if (kind === undefined) return { kind: 'other' };
  const { $at: at, $more: _, $record_seq: _seq, ...record } = JSON.parse(data) as Json;
  const isControl = kind === 'ready' || kind === 'reset' || kind === 'total';
  const position = eventId === undefined ? (kind === 'ready' ? Number(record.seq) : undefined) : Number(eventId);
  if (isControl) return { kind, total: record.total, position };
  const { s, boardId, id } = record;
  return { kind, id: id ?? JSON.stringify([s, boardId]), record, at, position };
}

function ofMessage(message: Json): readonly Step[] {
  const { type, records, id, data: record, at, total } = message;
  if (type === 'page')
    return (records as readonly Json[]).map((one) => ({ kind: 'retained', id: one.id, record: one.data }));
  const kind = EVENTS.find((name) => name === type);
  return kind === undefined ? [] : [{ kind, id, record, at, total, position: positionOf(message) }];
}
