import { type Identity, SERVER } from '../../../auth/identity.ts';
import { AppError } from '../../../errors.ts';
import { Semaphore } from '../../../runtime/semaphore.ts';
import {
  type Deliver,
  type DeliverTogether,
  type Delivery,
  type FlowData,
  type FlowEvent,
  type InputNotes,
  PermanentError,
} from '../../connector.ts';
import type { CelScope } from '../expressions/cel.ts';
import type { Flow, FlowTarget } from '../flow.ts';
import { requestedDelay, sleep, waitAfter } from './backoff.ts';
import type { DeadLetter, NewDeadLetter } from './dead-letters.ts';
import { AbandonedError, DeliveryTimeout, describeFailure, isPermanent, StoppedError } from './failures.ts';
import { FlowCounts } from './flow-counts.ts';

/** Events that may wait for a flow together with their senders; further ones are refused with OVERLOADED. */
const MAX_WAITING_EVENTS = 1000;

export interface RunnerOptions {
  /** Functions of the targets, in their order. */
  readonly deliver: readonly Deliver[];
  /** Function of the targets that accept an event together, of a flow that is atomic. */
  readonly together?: DeliverTogether | undefined;
  /** Stores an event that failed. */
  keep(letter: NewDeadLetter): Promise<void>;
  /** Called for the first event whose body is not an object where no expression reads `input.body`. */
  onUnusedBody(event: FlowEvent): void;
  /** Called after `keep`. */
  onDeadLetter(letter: NewDeadLetter): void;
  /** Aborted when the server stops: events of a source that keeps them are left for the next start. */
  readonly stopping: AbortSignal;
  /** Aborted when the time to stop has elapsed. */
  readonly cut: AbortSignal;
}

/** Receiver of a failure: the waiting sender, or the dead letters. */
export type FailureTo = 'sender' | 'dead letters';

/** An event that a flow has to handle. */
export interface Task {
  readonly event: FlowEvent;
  readonly scope: CelScope;
  /** Error of an event that fails before any delivery. */
  readonly error?: unknown;
}

/** Delivery to one target. */
interface Job {
  readonly index: number;
  readonly target: FlowTarget;
  readonly delivery: Omit<Delivery, 'signal'>;
  /** Jobs that are done together, itself among them. */
  readonly together?: readonly Job[];
}

/** Progress of an event. */
interface Progress {
  /** Keys of the targets that have accepted it. */
  readonly done: string[];
  attempts: number;
  result: unknown;
}

/** Runs one flow. */
export class FlowRunner {
  readonly flow: Flow;
  readonly counts = new FlowCounts();
  readonly #options: RunnerOptions;
  readonly #semaphore: Semaphore;
  #inFlight = 0;
  #hasUnusedBody = false;

  constructor(flow: Flow, options: RunnerOptions) {
    this.flow = flow;
    this.#options = options;
    this.#semaphore = new Semaphore(flow.concurrency);
  }

  /** Number of events that are waiting or running. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Evaluates `when` for an event; undefined when the flow skips it. */
  prepare(event: FlowEvent): Task | undefined {
    const scope = scopeOf(event);
    const { unreadable } = event.notes ?? {};
    // Expressions cannot be evaluated: the input is not the message that was sent.
    if (unreadable !== undefined) return { event, scope, error: new PermanentError(unreadable) };
    try {
      if ((this.flow.when?.(scope) ?? true) === true) return { event, scope };
    } catch (error) {
      return { event, scope, error };
    }
    this.counts.count('skipped', 0);
    return undefined;
  }

  /**
   * Runs the flow for an event; resolves with the result of its first target. With `failureTo` sender it rejects with the
   * failure; otherwise only when the event could not be stored, or the server stops before it is done.
   */
  async run(task: Task, failureTo: FailureTo): Promise<unknown> {
    const { mostWaiting = MAX_WAITING_EVENTS } = this.flow.source.type;
    if (failureTo === 'sender' && this.#semaphore.waiting >= mostWaiting) {
      throw new AppError('OVERLOADED', `The flow ${this.flow.name} has too much to do; try again shortly.`);
    }
    this.#inFlight++;
    await this.#semaphore.enter();
    try {
      return await this.#runNow(task, failureTo);
    } finally {
      this.#semaphore.leave();
      this.#inFlight--;
    }
  }

  /**
   * Replays a dead letter to the targets that have not accepted it, and adds those that do to `done`. Rejects with the
   * failure.
   */
  async replay({ input, notes, identity, key }: DeadLetter, done: string[]): Promise<unknown> {
    const progress: Progress = { done, attempts: 0, result: undefined };
    this.#inFlight++;
    try {
      const task = this.prepare({ input, ...optionalNotes(notes), identity, key, signal: this.#options.stopping });
      if (task !== undefined) await this.#work(task, progress, 1);
      return progress.result ?? null;
    } finally {
      this.#inFlight--;
    }
  }

  /** True for a source that delivers an unfinished event again. */
  get #isRedelivered(): boolean {
    return this.flow.source.type.failure === 'redelivers';
  }

  /** Aborted when no attempt may start: events that are not delivered again use all the time there is to stop. */
  get #stopSignal(): AbortSignal {
    return this.#isRedelivered ? this.#options.stopping : this.#options.cut;
  }

  async #runNow(task: Task, failureTo: FailureTo): Promise<unknown> {
    const started = performance.now();
    const progress: Progress = { done: [], attempts: 0, result: undefined };
    try {
      if (this.#stopSignal.aborted) throw new StoppedError();
      await this.#work(task, progress, this.flow.retry.attempts);
      this.counts.count('done', performance.now() - started);
      return progress.result ?? null;
    } catch (error) {
      const isUnfinished = error instanceof StoppedError || error instanceof AbandonedError;
      // The source still has the event, or the sender receives the error.
      if (isUnfinished && (this.#isRedelivered || failureTo === 'sender')) throw error;
      if (failureTo === 'dead letters') await this.#keep(task.event, progress, error);
      this.counts.count(failureTo === 'sender' ? 'failed' : 'dead', performance.now() - started);
      if (failureTo === 'sender') throw error;
      return null;
    }
  }

  async #keep({ input, notes, identity, key }: FlowEvent, { done, attempts }: Progress, error: unknown): Promise<void> {
    const { name } = this.flow;
    const letter = {
      flow: name,
      key,
      input,
      ...optionalNotes(notes),
      identity,
      error: describeFailure(error),
      attempts,
      done,
    };
    await this.#options.keep(letter);
    this.#options.onDeadLetter(letter);
  }

  async #work({ event, scope, error }: Task, progress: Progress, attempts: number): Promise<void> {
    if (error !== undefined) throw error;
    this.#noteBody(event);
    const { transform, targets } = this.flow;
    // Evaluated once for all attempts, so that all targets receive the same output.
    const output = transform === undefined ? event.input : transform(scope);
    const jobs = targets.flatMap((target, index) =>
      progress.done.includes(targetKey(target, index)) ? [] : [this.#jobOf(target, index, { event, output, scope })],
    );
    const together = this.flow.atomic ? jobs.filter(({ target }) => target.isAtomic) : [];
    const [first] = together;
    // The others come after the transaction: what is not committed is not told.
    if (first !== undefined) await this.#deliverAll([{ ...first, together }], event, { progress, attempts });
    const others = jobs.filter((job) => !together.includes(job));
    await this.#deliverAll(others, event, { progress, attempts: progress.attempts + attempts });
  }

  #noteBody(event: FlowEvent): void {
    if (this.#hasUnusedBody || event.notes?.whole === undefined || this.flow.ignoresBody !== true) return;
    this.#hasUnusedBody = true;
    this.#options.onUnusedBody(event);
  }

  #jobOf(target: FlowTarget, index: number, run: { event: FlowEvent; output: FlowData; scope: CelScope }): Job {
    const { event, output, scope } = run;
    const { name, transform } = this.flow;
    const delivery = {
      output,
      ...(transform === undefined ? { isInput: true } : {}),
      ...optionalNotes(event.notes),
      target: target.target(scope),
      identity: target.as === 'caller' ? event.identity : SERVER,
      key: `${name}/${index}/${event.key}`,
      flow: name,
    };
    return { index, target, delivery };
  }

  /** Delivers to every target until it has accepted the event, or has failed for good. */
  async #deliverAll(
    jobs: readonly Job[],
    { signal }: FlowEvent,
    { progress, attempts }: { readonly progress: Progress; readonly attempts: number },
  ): Promise<void> {
    let pending = jobs;
    let refusal: unknown;
    while (pending.length > 0) {
      progress.attempts++;
      const failures = await this.#deliverOnce(pending, progress);
      if (failures.size > 0 && this.#options.cut.aborted) throw new StoppedError();
      refusal ??= [...failures.values()].find(isPermanent);
      pending = pending.filter((job) => failures.has(job) && !isPermanent(failures.get(job)));
      const [job] = pending;
      if (job === undefined) break;
      if (progress.attempts >= attempts) throw refusal ?? failures.get(job);
      await this.#pause(progress.attempts, failures.values(), signal);
      this.counts.retries++;
    }
    if (refusal !== undefined) throw refusal;
  }

  /** Waits until the next attempt. */
  async #pause(failed: number, failures: Iterable<unknown>, signal: AbortSignal): Promise<void> {
    const { retry } = this.flow;
    const wait = Math.max(waitAfter(failed, retry), requestedDelay(failures, retry));
    if (await sleep(wait, [this.#stopSignal, this.#options.cut, signal])) return;
    throw signal.aborted ? new AbandonedError('the sender has disconnected') : new StoppedError();
  }

  /** Delivers to every target once; returns the failures. */
  async #deliverOnce(jobs: readonly Job[], progress: Progress): Promise<Map<Job, unknown>> {
    const results = await Promise.allSettled(jobs.map((job) => this.#deliver(job)));
    const failures = new Map<Job, unknown>();
    for (const [at, settled] of results.entries()) {
      const job = jobs[at] as Job;
      if (settled.status === 'rejected') {
        failures.set(job, settled.reason);
        continue;
      }
      for (const [part, { target, index }] of (job.together ?? [job]).entries()) {
        progress.done.push(targetKey(target, index));
        const result = job.together === undefined ? settled.value : (settled.value as readonly unknown[])[part];
        // The result of the first target is the answer.
        if (index === 0 || progress.result === undefined) progress.result = result;
      }
    }
    return failures;
  }

  #send({ index, delivery, together }: Job, signal: AbortSignal): Promise<unknown> {
    const { deliver, together: deliverTogether } = this.#options;
    if (together === undefined || deliverTogether === undefined) {
      return (deliver[index] as Deliver)({ ...delivery, signal });
    }
    const atomic = this.flow.targets.filter(({ isAtomic }) => isAtomic);
    return deliverTogether(
      together.map((part) => ({ at: atomic.indexOf(part.target), delivery: { ...part.delivery, signal } })),
    );
  }

  /** Delivers to one target. Does not wait for a target that ignores its signal. */
  async #deliver(job: Job): Promise<unknown> {
    const { cut } = this.#options;
    const { timeout } = this.flow;
    const end = new AbortController();
    const onCut = () => end.abort(new StoppedError());
    const timer = setTimeout(() => end.abort(new DeliveryTimeout(`it took longer than ${timeout} ms`)), timeout);
    cut.addEventListener('abort', onCut);
    const ended = new Promise<never>((_, reject) => {
      end.signal.addEventListener('abort', () => reject(end.signal.reason));
    });
    try {
      return await Promise.race([ended, this.#send(job, end.signal)]);
    } finally {
      clearTimeout(timer);
      cut.removeEventListener('abort', onCut);
    }
  }
}

/** Stable name of a target within its flow, stored with a dead letter. */
function targetKey({ label }: FlowTarget, index: number): string {
  return `${index} ${label}`;
}

function optionalNotes(notes: InputNotes | undefined): { notes?: InputNotes } {
  return notes === undefined ? {} : { notes };
}

function scopeOf({ input, identity }: FlowEvent): CelScope {
  return { input, auth: authOf(identity), now: new Date() };
}

function authOf(identity: Identity): CelScope['auth'] {
  if (identity.type !== 'principal') return { sub: null, roles: [] };
  return { sub: identity.sub, roles: identity.roles };
}
