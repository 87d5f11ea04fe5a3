import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { ChangeFrame, ControlFrame } from '../support/frames.ts';
import { type Answer, ask } from '../support/http.ts';
import type { Cluster, ClusterNode } from './nodes.ts';
import type { Random } from './random.ts';

const GIVE_UP_MS = 60_000;
const RETRY_MS = 30;
const REQUEST_TIMEOUT_MS = 8000;
/** Answers that say that the request may be sent again with its key. */
const AGAIN = new Set([409, 503, 504]);

/** Write that was acknowledged. */
export interface Acked {
  readonly token: string;
  readonly id: string;
  /** Undefined for a commit of another program, which does not learn it. */
  readonly seq: number | undefined;
}

/** What the clients of one run have done and seen. */
export class RunHistory {
  readonly sent = new Set<string>();
  readonly acked: Acked[] = [];
  readonly faults: string[] = [];
  /** Tokens that one transaction of another program has written. */
  readonly transactions: (readonly string[])[] = [];
  increments = 0;
  /** Increments whose transactions ended with an error. */
  unknownIncrements = 0;
  isStopped = false;
}

export interface RunContext {
  readonly cluster: Cluster;
  readonly run: string;
  readonly random: Random;
  readonly history: RunHistory;
}

/** Sends a request to nodes, with its key, until one of them answers what has become of it. */
async function insist(
  { cluster, random, run }: RunContext,
  { method, path, key, json }: { method: string; path: string; key: string; json?: unknown },
): Promise<Answer> {
  const deadline = performance.now() + GIVE_UP_MS;
  for (;;) {
    const url = cluster.url(random.of(cluster.nodes), path);
    const headers = { 'idempotency-key': `${run}-${key}` };
    const answer = await within(ask(method, url, { headers, ...(json === undefined ? {} : { json }) }));
    const code = answer === undefined ? undefined : answer.status < 300 ? '' : (answer.record.code as string);
    if (answer !== undefined && (!AGAIN.has(answer.status) || code === 'CONFLICT')) return answer;
    if (performance.now() > deadline) throw new Error(`${method} ${path} ${key}: ${answer?.status} ${answer?.text}`);
    await pause(RETRY_MS);
  }
}

/** Undefined when the connection broke or nothing came: a server that is stopped keeps its sockets open. */
async function within(asked: Promise<Answer>): Promise<Answer | undefined> {
  const timeout = new AbortController();
  const late = pause(REQUEST_TIMEOUT_MS, undefined, { signal: timeout.signal }).catch(() => undefined);
  const answer = await Promise.race([asked.catch(() => undefined), late]);
  timeout.abort();
  return answer;
}

/** Writes records of its own and some that all writers share, and increments a counter. */
export async function write(context: RunContext, writer: number): Promise<void> {
  const { cluster, run, random, history } = context;
  for (let number = 0; !history.isStopped; number++) {
    const token = `${run}-${writer}-${number}`;
    const id = random.below(3) === 0 ? `${run}-shared-${random.below(4)}` : `${run}-${writer}-${random.below(6)}`;
    const key = `${writer}-${number}`;
    if (random.below(5) === 0) {
      const answer = await insist(context, { method: 'PATCH', path: `Counter/${run}`, key, json: { n: { $inc: 1 } } });
      if (answer.status === 200) history.increments++;
      else history.faults.push(`increment ${key}: ${answer.status} ${answer.text}`);
      continue;
    }
    if (random.below(6) === 0) {
      const answer = await insist(context, { method: 'DELETE', path: `Note/${id}`, key });
      if (![204, 404].includes(answer.status)) history.faults.push(`delete ${id}: ${answer.status} ${answer.text}`);
      continue;
    }
    history.sent.add(token);
    const json = { run, token };
    const answer = await insist(context, { method: 'PUT', path: `Note/${id}`, key, json });
    const seq = Number(/^"(\d+)/.exec(answer.headers.get('etag') ?? '')?.[1]);
    if (![200, 201].includes(answer.status)) history.faults.push(`put ${id}: ${answer.status} ${answer.text}`);
    else history.acked.push({ token, id, seq });
    if (answer.status < 300 && random.below(4) === 0) await readBack(context, { token, id, seq });
    if (number % 10 === 9) await within(ask('GET', cluster.url(random.of(cluster.nodes), `Note?run==${run}&limit=3`)));
  }
}

/** Writes to the database beside the servers, as psql does: records alone, and several in one transaction. */
export async function writeBySql(context: RunContext, writer: number): Promise<void> {
  const { cluster, run, random, history } = context;
  const table = `"${cluster.schema}"."data/note"`;
  const put = (place: number) =>
    `INSERT INTO ${table} (id, run, token) VALUES ($${place}, '${run}', $${place + 1}) ON CONFLICT (id) DO UPDATE SET token = excluded.token`;
  for (let number = 0; !history.isStopped; number++) {
    const size = random.below(2) === 0 ? 1 : 3;
    const rows = Array.from({ length: size }, (_, place) => ({
      id:
        random.below(3) === 0 && place === 0
          ? `${run}-shared-${random.below(4)}`
          : `${run}-sql${writer}-${place}-${random.below(3)}`,
      token: `${run}-sql${writer}-${number}-${place}`,
    }));
    for (const { token } of rows) history.sent.add(token);
    const tail =
      random.below(4) === 0
        ? `, counted AS (UPDATE "${cluster.schema}"."data/counter" SET n = n + 1 WHERE id = '${run}')`
        : '';
    const [first, ...more] = rows.map((_, place) => put(2 * place + 1)) as [string, ...string[]];
    const others = more.map((text, place) => `w${place} AS (${text})`).join(', ');
    const text = more.length === 0 ? first : `WITH ${others}${tail} ${first}`;
    try {
      await cluster.sql(
        text,
        rows.flatMap(({ id, token }) => [id, token]),
      );
    } catch {
      // Refused, or its outcome is not known: it may be there, or not.
      await pause(RETRY_MS);
      if (tail !== '' && more.length > 0) history.unknownIncrements++;
      continue;
    }
    if (tail !== '' && more.length > 0) history.increments++;
    for (const { id, token } of rows) history.acked.push({ token, id, seq: undefined });
    if (rows.length > 1) history.transactions.push(rows.map(({ token }) => token));
    if (random.below(6) === 0) await cluster.sql(`DELETE FROM ${table} WHERE id = $1`, [rows[0]?.id]).catch(() => {});
    await pause(random.below(60));
  }
}

/** What was acknowledged by one node is what every other one answers, unless a later write has changed it. */
async function readBack(
  { cluster, random, history, run }: RunContext,
  { token, id, seq }: Acked & { readonly seq: number },
): Promise<void> {
  const answer = await within(ask('GET', cluster.url(random.of(cluster.nodes), `Note/${id}`)));
  if (answer?.status === 200) {
    const found = Number(/^"(\d+)/.exec(answer.headers.get('etag') ?? '')?.[1]);
    if (found < seq) history.faults.push(`GET ${id} has ${found} after ${seq} was acknowledged`);
    if (found === seq && answer.record.token !== token) history.faults.push(`GET ${id} at ${seq} is not ${token}`);
  }
  const url = cluster.url(random.of(cluster.nodes), `Note?run==${run}&id==${id}&select=id,token`);
  const first = await within(ask('GET', url));
  const etag = first?.headers.get('etag');
  if (first?.status !== 200 || etag == null) return;
  const second = await within(ask('GET', url, { headers: { 'if-none-match': etag } }));
  if (second?.status !== 304) return;
  const current = await within(ask('GET', url));
  if (current?.status !== 200) return;
  const [now] = current.records;
  const [before] = first.records;
  const third = await within(ask('GET', url, { headers: { 'if-none-match': etag } }));
  if (third?.status === 304 && before?.token !== now?.token)
    history.faults.push(`304 for a list of ${id} that changed`);
}

/** A subscriber that goes to another node every now and then, and whenever its connection ends. */
export class Wanderer {
  readonly frames: ChangeFrame[] = [];
  readonly #context: RunContext;
  readonly #path: string;
  /** Position of the first `ready`. */
  start: number | undefined;
  position: number | undefined;
  #socket: WebSocket | undefined;
  #isOver = false;
  readonly #running: Promise<void>;

  constructor(context: RunContext, path: string) {
    this.#context = context;
    this.#path = path;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    this.#socket?.terminate();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      await this.#visit(this.#context.random.of(this.#context.cluster.nodes));
      if (!this.#isOver) await pause(RETRY_MS);
    }
  }

  #visit(node: ClusterNode): Promise<void> {
    const { cluster, random, history } = this.#context;
    const since = this.position === undefined ? '' : `${this.#path.includes('?') ? '&' : '?'}since=${this.position}`;
    const socket = new WebSocket(cluster.url(node, this.#path + since).replace(/^http/, 'ws'), {
      perMessageDeflate: false,
      handshakeTimeout: 2000,
    });
    this.#socket = socket;
    // With a frozen server the connection stays open and silent.
    const leave = setTimeout(() => socket.terminate(), 300 + random.below(1500));
    socket.on('error', () => undefined);
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ChangeFrame & ControlFrame;
      if (frame.message_type !== undefined) this.#take(frame);
      else if (frame.type === 'reset') history.faults.push(`reset ${frame.reason} at ${this.position}`);
      else if (frame.type === 'ready') {
        this.start ??= frame.seq;
        this.position = Math.max(this.position ?? 0, frame.seq ?? 0);
      }
    });
    return new Promise((resolve) => {
      socket.once('close', () => {
        clearTimeout(leave);
        resolve();
      });
    });
  }

  #take(frame: ChangeFrame): void {
    this.frames.push(frame);
    this.position = frame.seq;
  }
}

/** State of the run's records as one node sends it, with the position of `ready`. */
export interface Snapshot {
  readonly seq: number;
  readonly records: ReadonlyMap<string, unknown>;
}

/** Reads what is stored, and the changes until `ready`; undefined when the connection broke. */
export function takeSnapshot({ cluster, random, run }: RunContext): Promise<Snapshot | undefined> {
  const path = `Note?run==${run}&retained=true`;
  const socket = new WebSocket(cluster.url(random.of(cluster.nodes), path).replace(/^http/, 'ws'), {
    perMessageDeflate: false,
    handshakeTimeout: 2000,
  });
  const records = new Map<string, unknown>();
  return new Promise((resolve) => {
    const late = setTimeout(() => socket.terminate(), REQUEST_TIMEOUT_MS);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      clearTimeout(late);
      resolve(undefined);
    });
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as ChangeFrame & ControlFrame;
      if (frame.type === 'ready') {
        resolve({ seq: frame.seq ?? 0, records: new Map(records) });
        socket.terminate();
      } else if (frame.message_type === 'Delete') records.delete(String(frame.id));
      else if (frame.message_type !== undefined) records.set(String(frame.id), frame.data.token);
    });
  });
}
