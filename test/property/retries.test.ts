import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { AppError } from '../../src/errors.ts';
import { makeIdempotencyKey } from '../../src/resources/idempotency.ts';
import type { IdempotencyKey, WriteOutcome } from '../../src/store/store.ts';
import { PropertyHarness } from './harness.ts';
import { type Message, SocketServer, type Talk } from './socket-harness.ts';

const RUNS = Number(process.env.PROPERTY_RUNS ?? 60);
const FROM = JSON.parse(process.env.PROPERTY_FROM ?? '{}') as fc.Parameters<unknown>;
const SDL = 'type Item @table @export(public: [read, create, update, delete, publish]) { id: ID! @primaryKey n: Int }';

const id = fc.constantFrom('a', 'b', 'c');
const operation = fc.oneof(
  fc.record({
    transport: fc.constant('http' as const),
    do: fc.constantFrom('make', 'many', 'put', 'patch', 'delete', 'publish'),
    id,
  }),
  fc.record({ transport: fc.constant('ws' as const), do: fc.constantFrom('make', 'put', 'delete', 'publish'), id }),
  fc.record({ transport: fc.constant('plain' as const), do: fc.constantFrom('put', 'delete'), id }),
);
/** Operations that are sent at the same time; the same one twice is an early retry, in a later batch a late one. */
const batch = fc.record({ sent: fc.array(fc.nat(), { minLength: 1, maxLength: 6 }), restart: fc.boolean() });

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

interface Answer {
  readonly seqs: readonly number[];
  /** Response, as the sender receives it. */
  readonly text: string;
  readonly replayed: boolean;
}

/** Errors that a correct retry may get. All of these leave the key unused. */
const EXPECTED = new Set(['NOT_FOUND', 'CONFLICT', 'IDEMPOTENCY_IN_PROGRESS']);

class Sender {
  readonly #rig: PropertyHarness;
  readonly #server: SocketServer;
  #talks: Talk[] = [];
  #turn = 0;
  #plain = 0;

  constructor(rig: PropertyHarness, server: SocketServer) {
    this.#rig = rig;
    this.#server = server;
  }

  /** Two sockets of one client, to the table as it is now. */
  async open(): Promise<void> {
    this.close();
    this.#server.resource = this.#rig.resource('Item');
    this.#talks = [await this.#server.open('one'), await this.#server.open('one')];
  }

  close(): void {
    for (const talk of this.#talks) talk.close();
  }

  /** Sends the operation with its key; `n` tells its content from all others. */
  async send(one: Operation, key: number, n = key): Promise<Answer | string> {
    try {
      if (one.transport === 'ws') return await this.#say(one, key, n);
      if (one.transport === 'http') return answerOf(await this.#call(one, n, this.#once(one, key, n)));
      return answerOf(await this.#call(one, --this.#plain));
    } catch (error) {
      if (error instanceof AppError) return error.code;
      throw error;
    }
  }

  #once(one: Operation, key: number, n: number): IdempotencyKey {
    const { table } = this.#rig.resource('Item');
    return makeIdempotencyKey({ table, identity: SERVER, space: 'http', key: `${key}`, parts: [one.do, one.id, n] });
  }

  async #call(one: Operation, n: number, once?: IdempotencyKey): Promise<readonly WriteOutcome[]> {
    const resource = this.#rig.resource('Item');
    const options = once === undefined ? {} : { once };
    if (one.do === 'many') return resource.createMany(SERVER, [{ n }, { n }], once);
    if (one.do === 'make') return [await resource.create(SERVER, { n }, once)];
    if (one.do === 'put') return [await resource.put(SERVER, one.id, { n }, options)];
    if (one.do === 'patch') return [await resource.patch(SERVER, one.id, { n }, options)];
    if (one.do === 'delete') return [await resource.delete(SERVER, one.id, options)];
    const { seq, replayed = false } = await resource.publish(SERVER, one.id, { n }, once);
    return [{ id: one.id, seq, json: '', created: false, changed: true, replayed }];
  }

  async #say(one: Operation, ref: number, n: number): Promise<Answer | string> {
    const talk = this.#talks[this.#turn++ % this.#talks.length] as Talk;
    const { type, code, replayed = false, ...told } = await talk.say({ ...messageOf(one, n), ref });
    if (type === 'error') return String(code);
    return { seqs: [Number(told.seq)], text: JSON.stringify(told), replayed: replayed === true };
  }
}

function messageOf(one: Operation, n: number): Message {
  if (one.do === 'delete') return { message_type: 'Delete', id: one.id, data: { n } };
  if (one.do === 'publish') return { message_type: 'Publish', id: one.id, data: { n } };
  return { message_type: 'Update', data: { n }, ...(one.do === 'put' && { id: one.id }) };
}

function answerOf(outcomes: readonly WriteOutcome[]): Answer {
  const replayed = outcomes.some((outcome) => outcome.replayed === true);
  const text = JSON.stringify(outcomes.map(({ replayed: _, ...outcome }) => outcome));
  return { seqs: outcomes.map(({ seq }) => seq), text, replayed };
}

test('a request that is sent again, at once or later, on either transport, has one effect and one response', {
  retry: 0,
  timeout: 120_000,
}, async () => {
  await using server = new SocketServer();
  await server.listen();
  const seen = { replayed: 0, inProgress: 0 };
  const property = fc.asyncProperty(
    fc.array(operation, { minLength: 2, maxLength: 8 }),
    fc.array(batch, { minLength: 2, maxLength: 10 }),
    fc.nat(3),
    fc.boolean(),
    async (operations, batches, commitTurns, flushed) => {
      using rig = new PropertyHarness({ sdl: SDL, commitTurns, flushed });
      const sender = new Sender(rig, server);
      await sender.open();
      const answers = operations.map((): Answer[] => []);
      const send = async (index: number): Promise<void> => {
        const answer = await sender.send(operations[index] as Operation, index);
        if (typeof answer !== 'string') answers[index]?.push(answer);
        else if (answer === 'IDEMPOTENCY_IN_PROGRESS') seen.inProgress++;
        else expect(EXPECTED).toContain(answer);
      };
      for (const { sent, restart } of batches) {
        await Promise.all(sent.map((number) => send(number % operations.length)));
        if (!restart) continue;
        await rig.restart();
        await sender.open();
      }
      for (const [index, { transport }] of operations.entries()) {
        const before = answers[index]?.length ?? 0;
        await send(index);
        if (transport === 'plain' || before === 0) continue;
        expect(answers[index]?.at(-1)?.replayed).toBe(true);
        expect(await sender.send(operations[index] as Operation, index, index + 1000)).toBe('IDEMPOTENCY_KEY_REUSED');
      }
      sender.close();
      // A plain write happens every time, one with a key the first time it succeeds; later ones get the same response.
      const effects = operations.flatMap(({ transport }, index) => {
        const given = answers[index] as Answer[];
        seen.replayed += given.filter(({ replayed }) => replayed).length;
        if (transport === 'plain') return given.flatMap(({ seqs }) => seqs);
        expect(given.filter(({ replayed }) => !replayed).length).toBe(Math.min(1, given.length));
        expect(new Set(given.map(({ text }) => text)).size).toBeLessThan(2);
        return given[0]?.seqs ?? [];
      });
      expect(effects.sort((a, b) => a - b)).toEqual(rig.history.map(({ seq }) => seq));
      expect([...rig.faults, ...server.faults]).toEqual([]);
    },
  );
  await fc.assert(property, { numRuns: RUNS, ...(FROM as object) });
  expect(seen.replayed).toBeGreaterThan(RUNS);
  expect(seen.inProgress).toBeGreaterThan(0);
});
