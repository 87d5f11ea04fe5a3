import { expect } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { Change } from '../../src/store/store.ts';
import { LINES } from '../support/engine.ts';
import type { PropertyHarness } from './harness.ts';
import { framesAfter, type Json, type Scope, viewAt } from './model.ts';
import { type Line, SlowSink } from './sink.ts';

export interface ClientOptions extends Scope {
  readonly table: string;
  readonly retained: boolean;
  readonly fast: boolean;
  readonly echo: boolean;
  /** Position to start from, instead of now. */
  readonly since?: number;
}

/**
 * Subscriber that checks every line as it reads it, remembers its position over disconnects, and derives from the history
 * alone the frames that it must have received.
 */
export class Client {
  readonly #rig: PropertyHarness;
  readonly #options: ClientOptions;
  readonly #view = new Map<unknown, Json>();
  /** Changes that were received since `#base`. */
  #told: Line[] = [];
  /** Transaction of each frame, and whether another frame of it follows. */
  readonly #marks = new Map<number, Pick<Line, 'tx' | 'more'>>();
  /** seq after which everything must be received; undefined until it is known. */
  #base: number | undefined;
  /** Position that a reconnect sends. */
  #position: number | undefined;
  /** seq up to which whole records were received: the end of the snapshot. */
  #wholeUntil = 0;
  /** True from `ready` on: `#view` has everything of the scope. */
  #complete = false;
  #ready = false;
  #snapshot: 'none' | 'open' = 'none';
  #lastRetained: string | undefined;
  /** seqs of own changes, which the subscription leaves out. */
  #own = new Set<number>();
  readonly #everOwn = new Set<number>();
  sink: SlowSink | undefined;
  resets = 0;

  constructor(rig: PropertyHarness, options: ClientOptions) {
    this.#rig = rig;
    this.#options = options;
    this.connect(options.since);
  }

  get isOpen(): boolean {
    return this.sink !== undefined;
  }

  /** True when the subscription has sent everything, and everything was read. */
  get isSettled(): boolean {
    const { sink } = this;
    if (sink === undefined) return true;
    const { subscription } = sink;
    return subscription?.state === 'live' && subscription.cursor === subscription.group.endOffset && sink.pending === 0;
  }

  /** For the message of a failure. */
  get state(): string {
    const { sink } = this;
    if (sink === undefined) return 'not connected';
    const { state, cursor, position, group } = sink.subscription ?? {};
    const run = `run ${group?.offset} to ${group?.endOffset}, ${group?.remaining} unvisited of ${group?.live.length}, ${group?.lagging} behind`;
    return `${state} at ${position}, cursor ${cursor}, ${run}, ${sink.pending} bytes pending, end ${sink.end}`;
  }

  connect(since = this.#position): void {
    const { id, interest, table, retained, echo, fast } = this.#options;
    const resource = this.#rig.resource(table);
    const parameters = [interest.query, `retained=${retained}`, `echo=${echo}`];
    if (since !== undefined) parameters.push(`since=${since}`);
    const query = resource.parseSubscription(SERVER, parameters.filter(Boolean).join('&'), id);
    const sink = new SlowSink((line) => this.#read(line), fast);
    this.#ready = false;
    this.#own = new Set();
    if (since === undefined) this.#startAfresh(retained);
    else this.#base ??= since;
    this.sink = sink;
    sink.subscription = resource.subscribe(query, LINES, sink);
  }

  /** Closes the connection; what was not read is lost. */
  disconnect(): void {
    const { sink } = this;
    if (sink === undefined) return;
    this.sink = undefined;
    sink.closed = true;
    if (sink.subscription !== undefined) {
      this.#rig.resource(this.#options.table).unsubscribe(sink.subscription);
      expect(sink.subscription.state).toBe('closed');
    }
    // In the middle of a snapshot there is no position yet; it has to be asked for again.
    if (this.#snapshot === 'open') this.#position = undefined;
  }

  /** Writes through this connection, as a socket would. */
  async write(id: string, record: Json): Promise<void> {
    const connection = this.sink;
    const outcome = await this.#rig.resource(this.#options.table).put(SERVER, id, record);
    if (connection === undefined || connection !== this.sink || this.#options.echo || !outcome.changed) return;
    connection.subscription?.mute(outcome.seq);
    this.#own.add(outcome.seq);
    this.#everOwn.add(outcome.seq);
  }

  #startAfresh(retained: boolean): void {
    this.#view.clear();
    this.#told = [];
    // Subscribing notes the position before it returns, so that nothing in between is missed.
    this.#base = this.#rig.store.lastSeq;
    this.#complete = retained;
    this.#snapshot = retained ? 'open' : 'none';
    this.#lastRetained = undefined;
  }

  #read(line: Line): void {
    if (line.type === 'ready') this.#readReady(line);
    else if (line.type === 'reset') this.#readReset(line);
    else if (line.type === 'Retained') this.#readRetained(line);
    else this.#readChange(line);
  }

  #readReady({ seq }: Line): void {
    expect(this.#ready, 'ready is said once').toBe(false);
    expect(seq).toBeGreaterThanOrEqual(this.#position ?? 0);
    this.#ready = true;
    if (this.#snapshot === 'open') this.#wholeUntil = seq;
    this.#snapshot = 'none';
    this.#position = seq;
    // Invariants 2 and 4: at `ready` the client has exactly the state at that seq. Its own changes, which
    // the subscription leaves out, it has to know by itself.
    if (this.#complete && this.#everOwn.size === 0) expect(this.#view).toEqual(this.#expectedView(seq));
  }

  #readReset(line: Line): void {
    const { reason, seq } = line;
    this.resets++;
    expect(reason, 'the store never went back').toBe('position_trimmed');
    expect(this.#position ?? this.#base).toBeLessThan(this.#rig.store.resumeFloor(this.#table));
    this.#ready = false;
    this.#view.clear();
    this.#told = [];
    this.#base = seq;
    this.#position = undefined;
    this.#complete = true;
    this.#snapshot = 'open';
    this.#lastRetained = undefined;
    for (const own of this.#everOwn) if (own <= seq) this.#everOwn.delete(own);
  }

  #readRetained({ id, data, seq }: Line): void {
    expect(this.#snapshot, 'retained only in a snapshot').toBe('open');
    expect(seq).toBeLessThanOrEqual(this.#base ?? 0);
    // In primary-key order, so each once.
    expect(String(id) > (this.#lastRetained ?? '')).toBe(true);
    this.#lastRetained = String(id);
    this.#view.set(id, data as Json);
  }

  #readChange(line: Line): void {
    const { type, id, seq, data } = line;
    expect(seq, 'in order, none twice').toBeGreaterThan(this.#told.at(-1)?.seq ?? this.#base ?? 0);
    if (this.#ready) expect(seq).toBeGreaterThan(this.#position ?? 0);
    expect(this.#own.has(seq), 'its own writes are left out').toBe(false);
    const { tx, more, ...told } = line;
    this.#told.push(told);
    this.#marks.set(seq, { tx, more });
    if (this.#snapshot === 'none') this.#position = seq;
    const part = line.changed === undefined ? {} : this.#view.get(id);
    if (type === 'Update') this.#view.set(id, { ...part, ...(data as Json) });
    if (type === 'Delete') this.#view.delete(id);
  }

  /** Checks, after everything has settled, that the whole history after the base was received, and that the view equals the store. */
  checkAll(): void {
    expect(this.sink?.late ?? 0, 'nothing is written after the end').toBe(0);
    const expected = this.#expectedFrames();
    const told = new Set(this.#told.map(({ seq }) => seq));
    const heard = expected.filter(({ seq }) => told.has(seq) || !this.#everOwn.has(seq));
    expect(this.#told).toEqual(heard);
    this.#checkMarks();
    if (this.#complete && this.#everOwn.size === 0) {
      expect(this.#view).toEqual(this.#expectedView(Number.POSITIVE_INFINITY));
    }
  }

  /**
   * Until the snapshot was complete, a record that was in it may be sent as its changed fields, and one that was not must
   * be sent whole; the view shows whether the right form was sent.
   */
  #expectedFrames(): Line[] {
    const base = this.#base ?? 0;
    const parts = new Map(framesAfter(this.#history, base, this.#options).map((frame) => [frame.seq, frame]));
    const told = new Map(this.#told.map((line) => [line.seq, line]));
    const wholes = framesAfter(this.#history, base, { ...this.#options, wholeUntil: this.#wholeUntil });
    return wholes.flatMap((frame) => {
      const line = told.get(frame.seq);
      if (line === undefined && !parts.has(frame.seq)) return [];
      return line?.changed === undefined ? frame : (parts.get(frame.seq) ?? frame);
    });
  }

  /** Each frame has the mark of its transaction, and all but the last one of it that the client received have `more`. */
  #checkMarks(): void {
    const marks = new Map(this.#history.map((change) => [change.seq, change.transaction]));
    for (const [index, { seq }] of this.#told.entries()) {
      const next = this.#told[index + 1];
      const tx = marks.get(seq);
      const more = tx !== undefined && next !== undefined && marks.get(next.seq) === tx ? true : undefined;
      expect(this.#marks.get(seq), `frame ${seq}`).toEqual({ tx, more });
    }
  }

  #expectedView(seq: number): Map<unknown, Json> {
    return viewAt(this.#history, seq, this.#options);
  }

  get #table() {
    return this.#rig.table(this.#options.table);
  }

  get #history(): Change[] {
    return this.#rig.history.filter(({ table }) => table.name === this.#options.table);
  }
}
