import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { TestServer } from './app.ts';
import type { Json } from './frames.ts';
import { Mailbox } from './mailbox.ts';
import { SseClient } from './sse-client.ts';
import { V1Client, type V1Kind } from './v1-client.ts';
import { WsClient } from './ws-client.ts';

/** Accounts, and the money in each of them at the start. */
export const ACCOUNTS = 8;
export const OPENING = 100;
const PAUSE = 20;
const GIVE_UP = 120_000;
/** Last record, without money: a subscriber that has it has everything. */
export const END = 'end';

/** A bank whose clients go on through every crash of its server. */
export class Bank {
  readonly server: TestServer;
  /** What was wrong: a sum that is not all the money, or an answer that none of the clients expects. */
  readonly wrongs: string[] = [];
  /** Transfers that were committed, and those that were refused because there was not enough. */
  done = 0;
  refused = 0;
  /** Sums that were compared: of lists, and of subscribers at the end of a change or transaction. */
  reads = 0;
  marks = 0;
  isClosing = false;

  constructor(server: TestServer) {
    this.server = server;
  }

  get base(): string {
    return `${this.server.origin}/my-app`;
  }

  check(source: string, balances: Iterable<number>): void {
    let sum = 0;
    for (const balance of balances) {
      sum += balance;
      if (balance < 0) this.wrongs.push(`${source}: a balance of ${balance}`);
    }
    if (sum !== ACCOUNTS * OPENING) this.wrongs.push(`${source}: the sum is ${sum}`);
  }

  /** Counts the answer to a transfer. True when it is final. */
  settle(source: string, code: string | undefined): boolean {
    if (code === undefined) this.done++;
    else if (code === 'VALIDATION_ERROR') this.refused++;
    else if (code === 'OVERLOADED' || code === 'STOPPING' || code === 'IDEMPOTENCY_IN_PROGRESS') return false;
    else this.wrongs.push(`${source}: ${code}`);
    return true;
  }
}

/** Steps of the transfer with this number: an amount that is at times more than there is. */
export function transferOf(writer: number, number: number): Json[] {
  const from = (writer + number) % ACCOUNTS;
  const to = (from + 1 + (number % (ACCOUNTS - 1))) % ACCOUNTS;
  const amount = 1 + ((writer * 7 + number * 13) % 60);
  return [
    { op: 'patch', table: 'Account', id: `a${from}`, data: { balance: { $inc: -amount } } },
    { op: 'create', table: 'Entry', data: { from: `a${from}`, to: `a${to}`, amount } },
    { op: 'patch', table: 'Account', id: `a${to}`, data: { balance: { $inc: amount } } },
  ];
}

/** Repeats `attempt` until it returns true; errors are those of a connection that has broken. */
async function persist(bank: Bank, what: string, attempt: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + GIVE_UP;
  while (Date.now() < deadline) {
    if (await attempt().catch(() => false)) return;
    await pause(PAUSE);
  }
  bank.wrongs.push(`${what} was not answered within ${GIVE_UP} ms`);
}

export async function transferByRest(bank: Bank, writer: number): Promise<void> {
  for (let number = 0; !bank.isClosing; number++) {
    const key = `rest-${writer}-${number}`;
    await persist(bank, key, async () => {
      const json = { steps: transferOf(writer, number) } as never;
      const options = { json, headers: { 'idempotency-key': key } };
      const { status, record, text } = await bank.server.ask('POST', '_/transaction', options);
      return bank.settle(`${key} ${text}`, status === 200 ? undefined : String(record.code));
    });
  }
}

export async function transferBySocket(bank: Bank, writer: number): Promise<void> {
  let client: WsClient | undefined;
  for (let number = 0; !bank.isClosing; number++) {
    const ref = `ws-${writer}-${number}`;
    const once = async () => {
      client ??= await WsClient.open(bank.server.wsUrl(`Entry?client=ws-${writer}&echo=false`));
      client.send({ message_type: 'Transaction', ref, steps: transferOf(writer, number) });
      const answer = await client.controls.next((frame) => frame.ref === ref);
      return bank.settle(`${ref} ${answer.message}`, answer.type === 'ack' ? undefined : String(answer.code));
    };
    await persist(bank, ref, async () => {
      try {
        return await once();
      } catch (error) {
        client?.[Symbol.dispose]();
        client = undefined;
        throw error;
      }
    });
  }
  client?.[Symbol.dispose]();
}

export async function transferByV1(bank: Bank, writer: number, kind: V1Kind): Promise<void> {
  let client: V1Client | undefined;
  for (let number = 0; !bank.isClosing; number++) {
    const ref = `v1-${writer}-${number}`;
    const once = async () => {
      client ??= await V1Client.open(bank.base, { kind, client: `v1-${writer}` });
      client.send({ type: 'transaction', ref, steps: transferOf(writer, number) });
      const answer = await client.messages.next((message) => message.ref === ref);
      const problem = answer.problem as Json | undefined;
      return bank.settle(`${ref} ${problem?.detail}`, problem === undefined ? undefined : String(problem.code));
    };
    await persist(bank, ref, async () => {
      try {
        return await once();
      } catch (error) {
        client?.[Symbol.dispose]();
        client = undefined;
        throw error;
      }
    });
  }
  client?.[Symbol.dispose]();
}

/** Reads the list again and again, and the total that the server makes of it. */
export async function readLists(bank: Bank): Promise<void> {
  while (!bank.isClosing) {
    try {
      const list = await bank.server.ask('GET', 'Account');
      if (list.status === 200) bank.check('list', balancesOf(list.records as Json[]));
      const total = await bank.server.ask('GET', 'Account?aggregate=sum(balance)');
      if (total.status === 200) bank.check('total', [Number((total.records as Json[])[0]?.sum_balance)]);
      if (list.status === 200 && total.status === 200) bank.reads++;
    } catch (error) {
      if (!(error instanceof TypeError) || !/fetch|terminated/.test(error.message)) throw error;
    }
    await pause(PAUSE);
  }
}

function balancesOf(records: readonly Json[]): number[] {
  return records.map(({ balance }) => Number(balance));
}

/** Message of any transport, as far as a subscriber needs it. */
interface Told {
  readonly type: 'reset' | 'record' | 'update' | 'delete' | 'ready';
  readonly id?: string;
  readonly balance?: number;
  readonly seq?: string;
  readonly more?: boolean;
}

/** What a subscriber has: it applies a transaction when its last frame has come, and resumes after the last whole one. */
export class BankView {
  readonly records = new Map<string, number>();
  position: string | undefined;
  readonly #bank: Bank;
  readonly #name: string;
  #waiting: Told[] = [];
  #isWhole = false;

  constructor(bank: Bank, name: string) {
    this.#bank = bank;
    this.#name = name;
  }

  get hasEnded(): boolean {
    return this.records.has(END);
  }

  /** A connection begins: what was not complete comes again. */
  begin(): void {
    this.#waiting = [];
    if (this.#isWhole) return;
    this.records.clear();
    this.position = undefined;
  }

  take(told: Told): void {
    const { type, id = '', balance = 0, seq, more = false } = told;
    if (type === 'reset') {
      this.records.clear();
      this.#waiting = [];
      this.#isWhole = false;
      this.position = undefined;
    } else if (type === 'record') this.records.set(id, balance);
    else {
      if (type === 'ready') this.#isWhole = true;
      else this.#waiting.push(told);
      if (more) return;
      for (const one of this.#waiting.splice(0)) this.#apply(one);
      if (!this.#isWhole) return;
      this.position = seq;
      this.#bank.check(`${this.#name} at ${seq}`, this.records.values());
      this.#bank.marks++;
    }
  }

  #apply({ type, id = '', balance = 0 }: Told): void {
    if (type === 'delete') this.records.delete(id);
    else this.records.set(id, balance);
  }
}

/** Follows the accounts until the last record has come; `follow` reads one connection until that breaks. */
export async function follow(
  bank: Bank,
  view: BankView,
  connect: (bank: Bank, view: BankView) => Promise<void>,
): Promise<void> {
  const deadline = Date.now() + 4 * GIVE_UP;
  while (!view.hasEnded && Date.now() < deadline) {
    view.begin();
    await connect(bank, view).catch(() => undefined);
    if (!view.hasEnded) await pause(PAUSE);
  }
  if (!view.hasEnded) bank.wrongs.push('a subscriber did not get everything');
}

export function overV1(kind: V1Kind, query: string) {
  return async (bank: Bank, view: BankView): Promise<void> => {
    using client = await V1Client.open(bank.base, { kind });
    client.send({ type: 'subscribe', id: 1, query, ...(view.position === undefined ? {} : { since: view.position }) });
    while (!view.hasEnded) {
      const { type, id, seq, data, more, records } = await client.messages.next(({ s }) => Array.isArray(s));
      if (type === 'page') {
        for (const record of records as Json[]) {
          view.take({ type: 'record', id: String(record.id), balance: Number((record.data as Json).balance) });
        }
      } else view.take({ type, id, seq, more, balance: Number((data as Json | undefined)?.balance) } as Told);
    }
  };
}

export async function overWebSocket(bank: Bank, view: BankView): Promise<void> {
  const start = view.position === undefined ? 'retained=true' : `since=${view.position}`;
  const socket = new WebSocket(bank.server.wsUrl(`Account?${start}`), { perMessageDeflate: false });
  const frames = new Mailbox<Json>('frames of the bank');
  socket.on('error', () => undefined);
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Json));
  socket.once('close', () => frames.end('closed'));
  try {
    while (!view.hasEnded) {
      const { message_type: kind, type, id, seq, data, more } = await frames.next();
      const names: Json = { Retained: 'record', Update: 'update', Delete: 'delete' };
      const balance = Number((data as Json | undefined)?.balance);
      view.take({ type: names[String(kind)] ?? type, id, seq: String(seq), more, balance } as Told);
    }
  } finally {
    socket.terminate();
  }
}

export async function overSse(bank: Bank, view: BankView): Promise<void> {
  const start = view.position === undefined ? 'retained=true' : `since=${view.position}`;
  using client = await SseClient.open(`${bank.base}/Account?${start}`, { headers: { accept: 'text/event-stream' } });
  while (!view.hasEnded) {
    const { event, data, id: seq } = await client.events.next();
    const record = JSON.parse(data) as Json;
    const type = event === 'retained' ? 'record' : event;
    if (!['record', 'update', 'delete', 'ready', 'reset'].includes(type)) continue;
    const more = (type === 'update' || type === 'delete') && seq === undefined;
    view.take({ type, id: record.id, balance: Number(record.balance), seq, more } as Told);
  }
}
