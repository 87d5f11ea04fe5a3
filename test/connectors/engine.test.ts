import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { ANONYMOUS, type Identity, SERVER } from '../../src/auth/identity.ts';
import { Section } from '../../src/config/keys/section.ts';
import {
  type Deliver,
  type Delivery,
  type FlowEvent,
  PermanentError,
  type SourceType,
} from '../../src/connectors/connector.ts';
import type { Flow, FlowTarget } from '../../src/connectors/flows/flow.ts';
import { sleep, waitAfter } from '../../src/connectors/flows/run/backoff.ts';
import type { NewDeadLetter } from '../../src/connectors/flows/run/dead-letters.ts';
import { describeFailure, isPermanent } from '../../src/connectors/flows/run/failures.ts';
import { fanOut } from '../../src/connectors/flows/run/fan-out.ts';
import { FlowRunner } from '../../src/connectors/flows/run/flow-runner.ts';
import { AppError } from '../../src/errors.ts';
import { Semaphore } from '../../src/runtime/semaphore.ts';

const SECTION = Section.absent('flows.f', 'config.yaml');
const ANN: Identity = { type: 'principal', sub: 'ann', roles: ['editor'], claims: {}, expiresAt: undefined };
const RETRY = { attempts: 3, delay: 1, maxDelay: 2 };
const SOURCE = { answers: type('answers'), redelivers: type('redelivers') };

function type(failure: 'answers' | 'redelivers') {
  return { what: '', keys: {}, failure } as const;
}

function target(index: number, as: 'caller' | 'server' = 'caller'): FlowTarget {
  const use = { flow: 'f', operation: 'op', settings: {}, target: undefined, section: SECTION };
  return { connector: `c${index}`, use, target: ({ input }) => input.room, as, label: `c${index} op`, isAtomic: false };
}

function from(source: SourceType): Flow['source'] {
  return { connector: 'c', type: source, use: { flow: 'f', operation: 'op', settings: {}, section: SECTION } };
}

function makeFlow(more: Partial<Flow> = {}): Flow {
  return {
    name: 'f',
    source: from(SOURCE.redelivers),
    when: undefined,
    transform: undefined,
    targets: [target(0)],
    retry: RETRY,
    atomic: false,
    timeout: 1000,
    concurrency: 10,
    ...more,
  };
}

function makeRunner(deliver: readonly Deliver[], more: Partial<Flow> = {}) {
  const kept: NewDeadLetter[] = [];
  const bodies: string[] = [];
  const stopping = new AbortController();
  const cut = new AbortController();
  const flow = makeFlow({ targets: deliver.map((_, index) => target(index)), ...more });
  const runner = new FlowRunner(flow, {
    deliver,
    keep: async (letter) => void kept.push(letter),
    onUnusedBody: (unused) => void bodies.push(unused.key),
    onDeadLetter: () => {},
    stopping: stopping.signal,
    cut: cut.signal,
  });
  const handle = (failure: 'answers' | 'redelivers') => fanOut([runner], SOURCE[failure], () => {});
  return { runner, kept, bodies, stopping, cut, handle };
}

function event(more: Partial<FlowEvent> = {}): FlowEvent {
  return { input: { n: 1, room: 'a' }, identity: ANN, key: 'e1', signal: new AbortController().signal, ...more };
}

/** A target that fails so often first. */
function failing(times: number, error: () => unknown = () => new Error('not now')) {
  const seen: Delivery[] = [];
  const deliver: Deliver = async (delivery) => {
    seen.push(delivery);
    if (seen.length <= times) throw error();
    return { seen: seen.length };
  };
  return { seen, deliver };
}

describe('a flow', () => {
  test('delivers its output to its targets, and answers with the result of the first one', async () => {
    const [one, two] = [failing(0), failing(0)];
    const { handle, runner } = makeRunner([one.deliver, two.deliver], {
      transform: ({ input, auth }) => ({ n: input.n, by: auth.sub }),
      targets: [target(0), target(1, 'server')],
    });
    expect(await handle('answers')(event())).toEqual({ seen: 1 });
    expect(one.seen).toMatchObject([
      { output: { n: 1, by: 'ann' }, target: 'a', identity: ANN, key: 'f/0/e1', flow: 'f' },
    ]);
    expect(one.seen[0]).not.toHaveProperty('isInput');
    expect(two.seen).toMatchObject([{ identity: SERVER, key: 'f/1/e1' }]);
    expect(runner.counts).toMatchObject({ events: { done: 1 }, timed: 1, retries: 0 });
    expect(runner.counts.buckets.reduce((sum, count) => sum + count, 0)).toBe(1);
  });

  test('without a transform passes the input on as it came, and null when the target says nothing', async () => {
    const seen: Delivery[] = [];
    const { handle } = makeRunner([async (delivery) => void seen.push(delivery)]);
    const sent = event({ identity: ANONYMOUS });
    expect(await handle('answers')(sent)).toBe(null);
    expect(seen[0]).toMatchObject({ isInput: true, identity: ANONYMOUS });
    expect(seen[0]?.output).toBe(sent.input);
  });

  test('an event that cannot be read is a dead letter, whatever `when` and `transform` would make of it', async () => {
    const one = failing(0);
    const { handle, kept, runner } = makeRunner([one.deliver], { when: () => false, transform: () => ({}) });
    const notes = { unreadable: 'the message cannot be read', sent: ['body'], whole: 'text' };
    expect(await handle('redelivers')(event({ notes }))).toBe(null);
    expect(one.seen).toEqual([]);
    expect(kept).toMatchObject([{ error: 'the message cannot be read', attempts: 0, done: [], notes }]);
    const letter = { ...(kept[0] as NewDeadLetter), id: '1', created: 1 };
    await expect(runner.replay(letter, [])).rejects.toThrow('the message cannot be read');
    expect(one.seen).toEqual([]);
    expect(runner.counts).toMatchObject({ events: { dead: 1, skipped: 0 } });
  });

  test('notes of an input reach its targets, also in a replay of a dead letter', async () => {
    const one = failing(1, () => new PermanentError('not at all'));
    const { handle, kept, runner } = makeRunner([one.deliver]);
    const notes = { sent: ['n'], digest: 'd' };
    await handle('redelivers')(event({ notes }));
    await runner.replay({ ...(kept[0] as NewDeadLetter), id: '1', created: 1 }, []);
    expect(one.seen.map((delivery) => delivery.notes)).toEqual([notes, notes]);
  });

  test('a body that no expression reads is reported, once', async () => {
    const notes = { sent: ['body'], whole: 'text' };
    const ignoring = makeRunner([failing(0).deliver], { transform: () => ({}), ignoresBody: true });
    await ignoring.handle('redelivers')(event());
    for (const key of ['e2', 'e3']) await ignoring.handle('redelivers')(event({ key, notes }));
    expect(ignoring.bodies).toEqual(['e2']);
    const reading = makeRunner([failing(0).deliver], { transform: () => ({}), ignoresBody: false });
    await reading.handle('redelivers')(event({ notes }));
    expect(reading.bodies).toEqual([]);
  });

  test('does nothing where `when` does not hold', async () => {
    const one = failing(0);
    const { handle, runner } = makeRunner([one.deliver], { when: ({ input }) => input.n === 2 });
    expect(await handle('redelivers')(event())).toBe(null);
    expect(one.seen).toEqual([]);
    expect(runner.counts).toMatchObject({ events: { skipped: 1, done: 0 }, timed: 0 });
  });

  test('retries failed deliveries, and only for targets that have not accepted them', async () => {
    const [one, two] = [failing(0), failing(2)];
    const { handle, kept, runner } = makeRunner([one.deliver, two.deliver]);
    expect(await handle('redelivers')(event())).toEqual({ seen: 1 });
    expect([one.seen.length, two.seen.length]).toEqual([1, 3]);
    expect(new Set(two.seen.map(({ key }) => key)).size).toBe(1);
    expect(kept).toEqual([]);
    expect(runner.counts).toMatchObject({ events: { done: 1 }, retries: 2 });
  });

  test('keeps an event as a dead letter when it has been tried often enough, with the targets that took it', async () => {
    const [one, two] = [failing(0), failing(9)];
    const { handle, kept, runner } = makeRunner([one.deliver, two.deliver]);
    expect(await handle('redelivers')(event())).toBe(null);
    expect(two.seen).toHaveLength(3);
    expect(kept).toEqual([
      {
        flow: 'f',
        key: 'e1',
        input: { n: 1, room: 'a' },
        identity: ANN,
        error: 'not now',
        attempts: 3,
        done: ['0 c0 op'],
      },
    ]);
    expect(runner.counts.events.dead).toBe(1);
  });

  test('a permanent failure is a dead letter at once; other targets are still tried', async () => {
    const [one, two] = [failing(9, () => new PermanentError('no room')), failing(1)];
    const { handle, kept } = makeRunner([one.deliver, two.deliver]);
    await handle('redelivers')(event());
    expect([one.seen.length, two.seen.length]).toEqual([1, 2]);
    expect(kept).toMatchObject([{ error: 'no room', attempts: 2, done: ['1 c1 op'] }]);
  });

  test.each([
    ['when', { when: () => fail() }],
    ['transform', { transform: () => fail() }],
    ['target', { targets: [{ ...target(0), target: () => fail() }] }],
  ])('a mistake in `%s` is one for good', async (_name, more) => {
    const one = failing(0);
    const { handle, kept } = makeRunner([one.deliver], more as Partial<Flow>);
    await handle('redelivers')(event());
    expect(kept).toMatchObject([{ error: 'no such key', attempts: 0 }]);
    expect(one.seen).toEqual([]);
    const answering = makeRunner([one.deliver], more as Partial<Flow>);
    await expect(answering.handle('answers')(event())).rejects.toThrow(PermanentError);
  });

  test('a sender that waits receives the failure, and nothing is stored', async () => {
    const one = failing(9);
    const { handle, kept, runner } = makeRunner([one.deliver], { retry: { ...RETRY, attempts: 1 } });
    await expect(handle('answers')(event())).rejects.toThrow('not now');
    expect([one.seen.length, kept.length, runner.counts.events.failed]).toEqual([1, 0, 1]);
  });

  test('a target that takes too long is not waited for, and its signal says so', async () => {
    let signal: AbortSignal | undefined;
    const hang: Deliver = (delivery) => {
      signal = delivery.signal;
      return new Promise(() => {});
    };
    const { handle, kept } = makeRunner([hang], { timeout: 20, retry: { ...RETRY, attempts: 2 } });
    await handle('redelivers')(event());
    expect(signal?.aborted).toBe(true);
    expect(kept).toMatchObject([{ error: 'it took longer than 20 ms', attempts: 2 }]);
  });

  test('when the sender has disconnected, a failed event is neither retried nor stored', async () => {
    const gone = new AbortController();
    const one = failing(9);
    const { handle, kept } = makeRunner([one.deliver], { retry: { attempts: 5, delay: 60_000, maxDelay: 60_000 } });
    const handled = handle('redelivers')(event({ signal: gone.signal }));
    await vi.waitFor(() => expect(one.seen).toHaveLength(1));
    gone.abort();
    await expect(handled).rejects.toThrow('the sender has disconnected');
    expect(kept).toEqual([]);
  });
});

describe('a flow that stops', () => {
  test('gives back events that wait for a retry', async () => {
    const one = failing(9);
    const { handle, kept, stopping } = makeRunner([one.deliver], {
      retry: { attempts: 5, delay: 60_000, maxDelay: 60_000 },
    });
    const handled = handle('redelivers')(event());
    await vi.waitFor(() => expect(one.seen).toHaveLength(1));
    stopping.abort();
    await expect(handled).rejects.toMatchObject({ code: 'STOPPING' });
    await expect(handle('answers')(event())).rejects.toMatchObject({ code: 'STOPPING' });
    expect(kept).toEqual([]);
  });

  test('finishes a running delivery, unless the time to stop has elapsed', async () => {
    let release = () => {};
    const slow: Deliver = () => new Promise<null>((done) => (release = () => done(null)));
    const { handle, runner, stopping, cut } = makeRunner([slow]);
    const first = handle('redelivers')(event());
    await vi.waitFor(() => expect(runner.inFlight).toBe(1));
    stopping.abort();
    release();
    expect(await first).toBe(null);
    const other = makeRunner([slow]);
    const second = other.handle('redelivers')(event());
    await vi.waitFor(() => expect(other.runner.inFlight).toBe(1));
    other.cut.abort();
    await expect(second).rejects.toMatchObject({ code: 'STOPPING' });
    expect([other.kept, other.runner.inFlight, cut.signal.aborted]).toEqual([[], 0, false]);
  });

  test('handles and retries events that are not redelivered while there is time to stop', async () => {
    const one = failing(1);
    const { handle, stopping, cut, kept } = makeRunner([one.deliver], { source: from(SOURCE.answers) });
    stopping.abort();
    expect(await handle('answers')(event())).toEqual({ seen: 2 });
    cut.abort();
    await expect(handle('answers')(event())).rejects.toMatchObject({ code: 'STOPPING' });
    expect([one.seen.length, kept]).toEqual([2, []]);
  });

  test('an event that is not redelivered is a dead letter when the time to stop has elapsed', async () => {
    const [good, bad] = [failing(0), failing(99)];
    const source = from(SOURCE.answers);
    const one = makeRunner([good.deliver], { name: 'one', source });
    const retry = { attempts: 5, delay: 60_000, maxDelay: 60_000 };
    const two = makeRunner([bad.deliver], { name: 'two', source, retry });
    const faults: unknown[] = [];
    const handle = fanOut([one.runner, two.runner], SOURCE.answers, (error) => faults.push(error));
    const begun = handle(event());
    await vi.waitFor(() => expect(bad.seen).toHaveLength(1));
    two.cut.abort();
    expect(await begun).toEqual({ seen: 1 });
    expect(await handle(event({ key: 'e2' }))).toEqual({ seen: 2 });
    const error = expect.stringMatching(/^STOPPING: /);
    expect(two.kept).toMatchObject([
      { flow: 'two', key: 'e1', error, attempts: 1, done: [] },
      { flow: 'two', key: 'e2', error, attempts: 0, done: [] },
    ]);
    expect([bad.seen.length, faults]).toEqual([1, []]);
  });
});

describe('several flows from one source', () => {
  test('all run, and the first that has something to do with the event answers', async () => {
    const [one, two, three] = [failing(0), failing(0), failing(0)];
    const first = makeRunner([one.deliver], { name: 'first', when: () => false });
    const second = makeRunner([two.deliver], { name: 'second', transform: () => ({ by: 'second' }) });
    const third = makeRunner([three.deliver], { name: 'third' });
    const runners = [first, second, third].map(({ runner }) => runner);
    const handle = fanOut(runners, SOURCE.answers, () => {});
    expect(await handle(event())).toEqual({ seen: 1 });
    expect([one, two, three].map(({ seen }) => seen.length)).toEqual([0, 1, 1]);
  });

  test('a waiting sender receives the failure of the flow that answers; other failures are dead letters', async () => {
    const [good, bad] = [failing(0), failing(9)];
    const retry = { ...RETRY, attempts: 1 };
    const one = makeRunner([good.deliver], { name: 'one', retry });
    const two = makeRunner([bad.deliver], { name: 'two', retry });
    expect(await fanOut([one.runner, two.runner], SOURCE.answers, () => {})(event())).toEqual({ seen: 1 });
    expect([one.kept, two.kept]).toMatchObject([[], [{ flow: 'two', error: 'not now' }]]);
    await expect(fanOut([two.runner, one.runner], SOURCE.answers, () => {})(event())).rejects.toThrow('not now');
    expect(good.seen).toHaveLength(2);
    expect(two.kept).toHaveLength(1);
  });

  test('an event that cannot be stored is redelivered, or reported as an error', async () => {
    const bad = failing(99);
    const good = makeRunner([failing(0).deliver]);
    const full = () => {
      throw new AppError('STORAGE_FULL', 'The disk is full.');
    };
    const { stopping, cut } = good;
    const options = { deliver: [bad.deliver], keep: full, onUnusedBody: () => {}, onDeadLetter: () => {} };
    const runner = new FlowRunner(makeFlow(), { ...options, stopping: stopping.signal, cut: cut.signal });
    await expect(fanOut([good.runner, runner], SOURCE.redelivers, () => {})(event())).rejects.toThrow('full');
    const faults: unknown[] = [];
    const handle = fanOut([good.runner, runner], SOURCE.answers, (error) => faults.push(error));
    expect(await handle(event())).toMatchObject({ seen: 2 });
    expect(faults).toMatchObject([{ code: 'STORAGE_FULL' }]);
  });

  test('no more events run than a flow allows, and too many senders are refused', async () => {
    let atOnce = 0;
    let most = 0;
    const releases: (() => void)[] = [];
    const slow: Deliver = async () => {
      atOnce++;
      most = Math.max(most, atOnce);
      await new Promise<void>((done) => releases.push(done));
      atOnce--;
      return null;
    };
    const { handle, runner } = makeRunner([slow], { concurrency: 2 });
    const handled = Array.from({ length: 1002 }, (_, index) => handle('answers')(event({ key: `e${index}` })));
    await vi.waitFor(() => expect(releases).toHaveLength(2));
    expect(runner.inFlight).toBe(1002);
    await expect(handle('answers')(event())).rejects.toMatchObject({ code: 'OVERLOADED' });
    const timer = setInterval(() => {
      for (const release of releases.splice(0)) release();
    }, 1);
    onTestFinished(() => clearInterval(timer));
    await Promise.all(handled);
    expect([most, runner.inFlight]).toEqual([2, 0]);
  });
});

test('more events may wait where their source says so', async () => {
  let open = () => {};
  const gate = new Promise<void>((done) => (open = done));
  const { handle, runner } = makeRunner([() => gate], { source: from({ ...SOURCE.answers, mostWaiting: 1500 }) });
  const handled = Array.from({ length: 1510 }, (_, index) => handle('answers')(event({ key: `e${index}` })));
  expect(runner.inFlight).toBe(1510);
  await expect(handle('answers')(event())).rejects.toMatchObject({ code: 'OVERLOADED' });
  open();
  await Promise.all(handled);
  expect(runner.counts.events).toMatchObject({ done: 1510, failed: 0 });
});

test('waits grow to a bound, and are at random below it', () => {
  const policy = { attempts: 9, delay: 100, maxDelay: 1000 };
  expect([1, 2, 3, 4, 5, 99].map((failed) => waitAfter(failed, policy, () => 1))).toEqual([
    100, 200, 400, 800, 1000, 1000,
  ]);
  expect(waitAfter(3, policy, () => 0.5)).toBe(200);
  expect(waitAfter(3, policy, () => 0)).toBe(0);
});

test('a sleep ends with its time or with a signal', async () => {
  const controller = new AbortController();
  expect(await sleep(1, [controller.signal])).toBe(true);
  const sleeping = sleep(60_000, [controller.signal]);
  controller.abort();
  expect(await sleeping).toBe(false);
  expect(await sleep(60_000, [controller.signal])).toBe(false);
});

test('slots are given in order', async () => {
  const slots = new Semaphore(1);
  expect(slots.enter()).toBeUndefined();
  const order: number[] = [];
  const waiting = [1, 2].map((number) => slots.enter()?.then(() => order.push(number)));
  expect(slots.waiting).toBe(2);
  slots.leave();
  slots.leave();
  await Promise.all(waiting);
  expect(order).toEqual([1, 2]);
  slots.leave();
  expect(slots.enter()).toBeUndefined();
});

test('which failures are for good', () => {
  expect(isPermanent(new PermanentError('x'))).toBe(true);
  expect(isPermanent(new AppError('VALIDATION_ERROR', 'x'))).toBe(true);
  expect(isPermanent(new AppError('FORBIDDEN', 'x'))).toBe(true);
  expect(isPermanent(new AppError('RATE_LIMITED', 'x'))).toBe(false);
  expect(isPermanent(new AppError('STORAGE_BUSY', 'x'))).toBe(false);
  expect(isPermanent(new Error('x'))).toBe(false);
  expect(describeFailure(new AppError('NOT_FOUND', 'Gone.'))).toBe('NOT_FOUND: Gone.');
  expect(describeFailure('text')).toBe('text');
});

function fail(): never {
  throw new PermanentError('no such key');
}
