import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import type { Deliver, Delivery, FlowData, FlowEvent, Handle } from '../../src/connectors/connector.ts';

/** A connector with one source that has been started. */
export interface OpenSource {
  /**
   * Causes the event with this number at the other end. For a source that answers: resolves with the answer to the sender,
   * and rejects when that is a failure.
   */
  emit(number: number): Promise<unknown>;
  /** Number of the event with this input. */
  numberOf(input: FlowData): number;
  /** Stops the connector; resolves when it has. */
  stop(): Promise<void>;
}

export interface SourceRig {
  readonly failure: 'answers' | 'redelivers';
  /** True for a source that redelivers events that a flow rejects; false where they are not stored. */
  readonly isDurable: boolean;
  open(handle: Handle): Promise<OpenSource>;
}

/** A connector with one target. */
export interface OpenTarget {
  readonly deliver: Deliver;
  /** An output that the target takes. */
  outputOf(number: number): FlowData;
  /** `target:` of a delivery, if it has one. */
  readonly target?: unknown;
  /** The numbers that have arrived at the other end. */
  received(): Promise<readonly number[]>;
  /** Lets deliveries fail until `mend`. */
  breakIt(): Promise<void>;
  mend(): Promise<void>;
}

export interface TargetRig {
  open(): Promise<OpenTarget>;
}

export interface ConnectorRig {
  readonly source?: SourceRig;
  readonly target?: TargetRig;
}

/** Tests the common behaviour of connectors. Rigs clean up with `onTestFinished`. */
export function testConnector(name: string, { source, target }: ConnectorRig): void {
  if (source !== undefined) describe(`${name} as a source`, () => testSource(source));
  if (target !== undefined) describe(`${name} as a target`, () => testTarget(target));
}

function testSource({ failure, isDurable, open }: SourceRig): void {
  const collect = () => {
    const events: FlowEvent[] = [];
    const handle: Handle = async (event) => {
      events.push(event);
      return { ok: true };
    };
    return { events, handle };
  };

  test('each thing that happens is an event, once, with a key of its own and an object as its input', async () => {
    const { events, handle } = collect();
    const opened = await open(handle);
    for (const number of [1, 2, 3]) await opened.emit(number);
    await vi.waitFor(() => expect(events).toHaveLength(3), 5000);
    expect(events.map(({ input }) => opened.numberOf(input))).toEqual([1, 2, 3]);
    expect(new Set(events.map(({ key }) => key)).size).toBe(3);
    // Nothing but JSON, so that it can be kept among the dead letters.
    for (const { input } of events) expect(JSON.parse(JSON.stringify(input))).toEqual(input);
  });

  test(failure === 'answers' ? 'a failure is reported to the sender' : 'a failure does not end it', async () => {
    let failed: string | undefined;
    const done: FlowEvent[] = [];
    const opened = await open(async (event) => {
      if (failed === undefined) {
        failed = event.key;
        throw new Error('not this time');
      }
      done.push(event);
      return null;
    });
    const first = opened.emit(1);
    if (failure === 'answers') await expect(first).rejects.toThrow();
    else await first;
    await vi.waitFor(() => expect(failed).toBeDefined(), 5000);
    await opened.emit(2);
    const expected = failure === 'redelivers' && isDurable ? [1, 2] : [2];
    await vi.waitFor(() => expect(done.map(({ input }) => opened.numberOf(input))).toEqual(expected), 10_000);
    if (expected.length === 2) expect(done[0]?.key).toBe(failed);
  });

  test('it stops when the running event is done, and then no events occur', async () => {
    const events: FlowEvent[] = [];
    let release = () => {};
    const opened = await open(async (event) => {
      events.push(event);
      await new Promise<void>((done) => (release = done));
      return null;
    });
    const emitted = opened.emit(1).catch(() => {});
    await vi.waitFor(() => expect(events).toHaveLength(1), 5000);
    let hasStopped = false;
    const stopped = opened.stop().then(() => (hasStopped = true));
    await pause(50);
    expect(hasStopped).toBe(false);
    release();
    await stopped;
    await emitted;
    await opened.emit(2).catch(() => {});
    await pause(100);
    expect(events).toHaveLength(1);
  });
}

function testTarget({ open }: TargetRig): void {
  const delivery = (opened: OpenTarget, number: number): Delivery => ({
    output: opened.outputOf(number),
    target: opened.target,
    identity: SERVER,
    key: `flow/0/${number}`,
    flow: 'flow',
    signal: new AbortController().signal,
  });

  test('a delivery arrives', async () => {
    const opened = await open();
    for (const number of [1, 2, 3]) await opened.deliver(delivery(opened, number));
    await vi.waitFor(async () => expect(await opened.received()).toEqual([1, 2, 3]), 5000);
  });

  test('a delivery that fails rejects, and can be repeated', async () => {
    const opened = await open();
    await opened.breakIt();
    await expect(opened.deliver(delivery(opened, 1))).rejects.toThrow();
    await opened.mend();
    await opened.deliver(delivery(opened, 1));
    await vi.waitFor(async () => expect(await opened.received()).toEqual([1]), 5000);
  });
}
