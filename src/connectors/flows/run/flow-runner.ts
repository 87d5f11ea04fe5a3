import { type Identity, SERVER } from '../../../auth/identity.ts';
import { AppError } from '../../../errors.ts';
import { Semaphore } from '../../../runtime/semaphore.ts';
import {
  type Deliver,
  type Delivery,
  type FlowData,
  type FlowEvent,
  type InputNotes,
  PermanentError,
} from '../../connector.ts';
import type { CelScope } from '../expressions/cel.ts';
import type { Flow, FlowTarget } from '../flow.ts';
import { askedWait, sleep, waitAfter } from './backoff.ts';
import type { DeadLetter, NewDeadLetter } from './dead-letters.ts';
import { AbandonedError, DeliveryTimeout, describeFailure, isPermanent, StoppedError } from './failures.ts';
import { FlowCounts } from './flow-counts.ts';

/** Events that may wait for a flow whose senders wait with them; beyond it they are told to come later. */
const MOST_WAITING = 1000;

export interface RunnerOptions {
  /** One for each target of the flow. */
  readonly deliver: readonly Deliver[];
  /** Keeps an event that could not be done. */
  keep(letter: NewDeadLetter): void;
  /** The sender has sent no object, and the flow makes something of the event without it; called for the first one. */
  onUnusedBody(event: FlowEvent): void;
  /** It has been kept. */
  onDeadLetter(letter: NewDeadLetter): void;
  /** Aborted when the server stops: what comes from a source that keeps it is left for the next start. */
  readonly stopping: AbortSignal;
  /** Aborted when it has no more time to stop. */
  readonly cut: AbortSignal;
}

/** Who hears of a failure: the sender, or whoever reads the dead letters. */
export type FailureTo = 'sender' | 'dead letters';

/** An event that a flow has something to do with. */
export interface Task {
  readonly event: FlowEvent;
  readonly scope: CelScope;
  /** What is wrong with the event already: then it fails at once. */
  readonly mistake?: unknown;
}

/** What is to be delivered to one target. */
interface Job {
  readonly index: number;
  readonly target: FlowTarget;
  readonly delivery: Omit<Delivery, 'signal'>;
}

/** How far an event has come. */
interface Progress {
  /** Targets that have taken it. */
  readonly done: string[];
  attempts: number;
  result: unknown;
}

/** One flow at work. */
export class FlowRunner {
  readonly flow: Flow;
  readonly counts = new FlowCounts();
  readonly #options: RunnerOptions;
  readonly #slots: Semaphore;
  #atWork = 0;
  #hasUnusedBody = false;

  constructor(flow: Flow, options: RunnerOptions) {
    this.flow = flow;
    this.#options = options;
    this.#slots = new Semaphore(flow.concurrency);
  }

  /** Events that have come and are not done. */
  get atWork(): number {
    return this.#atWork;
  }

  /** What is to be done for an event; undefined when the flow's `when` says that it is nothing. */
  prepare(event: FlowEvent): Task | undefined {
    const scope = scopeOf(event);
    const { unreadable } = event.notes ?? {};
    // Nothing that an expression says of it would be true of what was sent.
    if (unreadable !== undefined) return { event, scope, mistake: new PermanentError(unreadable) };
    try {
      if ((this.flow.when?.(scope) ?? true) === true) return { event, scope };
    } catch (mistake) {
      return { event, scope, mistake };
    }
    this.counts.count('skipped', 0);
    return undefined;
  }

  /**
   * Does the flow's work for an event; resolves with what its first target says. Rejects with what failed when the sender
   * is to hear of it, else only when the event could not be kept, or the server stops before it is done.
   */
  async run(task: Task, failureTo: FailureTo): Promise<unknown> {
    const { mostWaiting = MOST_WAITING } = this.flow.source.type;
    if (failureTo === 'sender' && this.#slots.waiting >= mostWaiting) {
      throw new AppError('OVERLOADED', `The flow ${this.flow.name} has too much to do; try again shortly.`);
    }
    this.#atWork++;
    await this.#slots.enter();
    try {
      return await this.#runNow(task, failureTo);
    } finally {
      this.#slots.leave();
      this.#atWork--;
    }
  }

  /**
   * Tries a dead letter once more: the targets that have not taken it, which are added to `done` when they do. Rejects
   * with what failed.
   */
  async replay({ input, notes, identity, key }: DeadLetter, done: string[]): Promise<unknown> {
    const progress: Progress = { done, attempts: 0, result: undefined };
    this.#atWork++;
    try {
      const task = this.prepare({ input, ...noted(notes), identity, key, signal: this.#options.stopping });
      if (task !== undefined) await this.#work(task, progress, 1);
      return progress.result ?? null;
    } finally {
      this.#atWork--;
    }
  }

  /** Whether an event that is not done now comes again by itself. */
  get #comesAgain(): boolean {
    return this.flow.source.type.failure === 'redelivers';
  }

  /** Aborted when nothing more is begun: what nobody would send again is done for as long as there is time. */
  get #over(): AbortSignal {
    return this.#comesAgain ? this.#options.stopping : this.#options.cut;
  }

  async #runNow(task: Task, failureTo: FailureTo): Promise<unknown> {
    const started = performance.now();
    const progress: Progress = { done: [], attempts: 0, result: undefined };
    try {
      if (this.#over.aborted) throw new StoppedError();
      await this.#work(task, progress, this.flow.retry.attempts);
      this.counts.count('done', performance.now() - started);
      return progress.result ?? null;
    } catch (error) {
      const isUndone = error instanceof StoppedError || error instanceof AbandonedError;
      // Its source has it still, or who has sent it is told.
      if (isUndone && (this.#comesAgain || failureTo === 'sender')) throw error;
      if (failureTo === 'dead letters') this.#keep(task.event, progress, error);
      this.counts.count(failureTo === 'sender' ? 'failed' : 'dead', performance.now() - started);
      if (failureTo === 'sender') throw error;
      return null;
    }
  }

  #keep({ input, notes, identity, key }: FlowEvent, { done, attempts }: Progress, error: unknown): void {
    const { name } = this.flow;
    const letter = { flow: name, key, input, ...noted(notes), identity, error: describeFailure(error), attempts, done };
    this.#options.keep(letter);
    this.#options.onDeadLetter(letter);
  }

  async #work({ event, scope, mistake }: Task, progress: Progress, attempts: number): Promise<void> {
    if (mistake !== undefined) throw mistake;
    this.#noteBody(event);
    const { transform, targets } = this.flow;
    // Once for all times that it is tried, so that all targets get the same.
    const output = transform === undefined ? event.input : transform(scope);
    const jobs = targets.flatMap((target, index) =>
      progress.done.includes(nameOf(target, index)) ? [] : [this.#jobOf(target, index, { event, output, scope })],
    );
    await this.#deliverAll(jobs, event, { progress, attempts });
  }

  #noteBody(event: FlowEvent): void {
    if (this.#hasUnusedBody || event.notes?.whole === undefined || this.flow.ignoresBody !== true) return;
    this.#hasUnusedBody = true;
    this.#options.onUnusedBody(event);
  }

  #jobOf(target: FlowTarget, index: number, made: { event: FlowEvent; output: FlowData; scope: CelScope }): Job {
    const { event, output, scope } = made;
    const { name, transform } = this.flow;
    const delivery = {
      output,
      ...(transform === undefined ? { isInput: true } : {}),
      ...noted(event.notes),
      target: target.target(scope),
      identity: target.as === 'caller' ? event.identity : SERVER,
      key: `${name}/${index}/${event.key}`,
      flow: name,
    };
    return { index, target, delivery };
  }

  /** Until every target has taken it, or cannot: those that have are not asked again. */
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

  /** Until it is time to try again. */
  async #pause(failed: number, failures: Iterable<unknown>, signal: AbortSignal): Promise<void> {
    const { retry } = this.flow;
    const wait = Math.max(waitAfter(failed, retry), askedWait(failures, retry));
    if (await sleep(wait, [this.#over, this.#options.cut, signal])) return;
    throw signal.aborted ? new AbandonedError('nobody waits for the outcome any more') : new StoppedError();
  }

  /** Asks every target once; gives those that failed. */
  async #deliverOnce(jobs: readonly Job[], progress: Progress): Promise<Map<Job, unknown>> {
    const results = await Promise.allSettled(jobs.map((job) => this.#deliver(job)));
    const failures = new Map<Job, unknown>();
    for (const [at, settled] of results.entries()) {
      const job = jobs[at] as Job;
      if (settled.status === 'rejected') {
        failures.set(job, settled.reason);
        continue;
      }
      progress.done.push(nameOf(job.target, job.index));
      // What the first target says is the answer.
      if (job.index === 0 || progress.result === undefined) progress.result = settled.value;
    }
    return failures;
  }

  /** A target that does not heed its signal is not waited for either. */
  async #deliver({ index, delivery }: Job): Promise<unknown> {
    const { deliver, cut } = this.#options;
    const { timeout } = this.flow;
    const end = new AbortController();
    const onCut = () => end.abort(new StoppedError());
    const timer = setTimeout(() => end.abort(new DeliveryTimeout(`it took longer than ${timeout} ms`)), timeout);
    cut.addEventListener('abort', onCut);
    const ended = new Promise<never>((_, reject) => {
      end.signal.addEventListener('abort', () => reject(end.signal.reason));
    });
    try {
      const target = deliver[index] as Deliver;
      return await Promise.race([ended, target({ ...delivery, signal: end.signal })]);
    } finally {
      clearTimeout(timer);
      cut.removeEventListener('abort', onCut);
    }
  }
}

/** By which a target is known again that has taken an event. */
function nameOf({ label }: FlowTarget, index: number): string {
  return `${index} ${label}`;
}

function noted(notes: InputNotes | undefined): { notes?: InputNotes } {
  return notes === undefined ? {} : { notes };
}

function scopeOf({ input, identity }: FlowEvent): CelScope {
  return { input, auth: authOf(identity), now: new Date() };
}

function authOf(identity: Identity): CelScope['auth'] {
  if (identity.type !== 'principal') return { sub: null, roles: [] };
  return { sub: identity.sub, roles: identity.roles };
}
