import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Json } from '../support/frames.ts';
import { ADMIN, AUTH, type Running, start } from './running.ts';

const SCHEMA = `type Item @table @export(public: [read, create, update, delete]) @audit {
  id: ID! @primaryKey
  n: Int
  text: String
  tags: [String!]
}`;

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const fields = fc.record(
  {
    n: fc.option(fc.integer({ min: 0, max: 3 })),
    text: fc.option(fc.constantFrom('', 'x', 'é😀', '{"n":1}')),
    tags: fc.option(fc.array(fc.constantFrom('p', 'q'), { maxLength: 2 })),
  },
  { requiredKeys: [] },
);
const put = fc.record({ op: fc.constant('put' as const), id: key, data: fields });
const patch = fc.record({ op: fc.constant('patch' as const), id: key, data: fields });
const remove = fc.record({ op: fc.constant('delete' as const), id: key });
const write = fc.oneof({ weight: 3, arbitrary: put }, { weight: 3, arbitrary: patch }, remove);
/** One write, or several records at once. */
const step = fc.uniqueArray(write, { minLength: 1, maxLength: 3, selector: ({ id }) => id });

interface Entry {
  readonly seq: number;
  readonly op: string;
  readonly id: string;
  readonly data: Json | null;
  readonly before: Json | null;
}
type Row = Readonly<Record<string, unknown>>;

/** The log of the table, oldest change first. */
async function readLog(app: Running): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (let since: unknown = 0; since !== null; ) {
    const { body } = await app.admin(`log?table=Item&since=${since}&limit=100`, ADMIN);
    entries.push(...(body.entries as unknown as Entry[]));
    since = body.next;
  }
  return entries;
}

/** Fields that a change has made different, as the audit log writes them. */
function changesOf(before: Row | undefined, after: Row | undefined): Row {
  const changed = ['n', 'text', 'tags'].flatMap((name) => {
    const [was, is] = [before?.[name] ?? null, after?.[name] ?? null];
    return JSON.stringify(was) === JSON.stringify(is) ? [] : [[name, { before: was, after: is }] as const];
  });
  return Object.fromEntries(changed);
}

test('the log leads to every earlier state, and tells of a record what the audit log tells', {
  timeout: 240_000,
}, async () => {
  let entries = 0;
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 5, maxLength: 40 }),
    fc.array(fc.nat(), { minLength: 50, maxLength: 50 }),
    async (steps, places) => {
      const app = await start(SCHEMA, AUTH);
      for (const writes of steps) {
        const body = { steps: writes.map((one) => ({ ...one, table: 'Item' })) };
        // A patch or a delete of a record that is not there: none of the step is written.
        const { status } = await app.send('POST', '_/transaction', body, ADMIN);
        expect([200, 404]).toContain(status);
      }
      const log = await readLog(app);
      const states: Map<string, Row>[] = [new Map()];
      const audited: unknown[] = [];
      for (const { seq, op, id, data, before } of log) {
        const state = new Map(states.at(-1));
        const was = state.get(id);
        // What was before, as far as it has changed.
        for (const [name, value] of Object.entries(before ?? {})) expect([name, value]).toEqual([name, was?.[name]]);
        if (op === 'delete') state.delete(id);
        else state.set(id, { ...was, ...data });
        states.push(state);
        audited.push([seq, op, id, changesOf(was, state.get(id))]);
      }
      for (const place of log.length === 0 ? [] : places) {
        const at = place % log.length;
        const expected = [...(states[at + 1] as Map<string, Row>).values()].sort((a, b) =>
          String(a.id) < String(b.id) ? -1 : 1,
        );
        const { body } = await app.admin(`at?table=Item&seq=${log[at]?.seq}`, ADMIN);
        expect(body.records).toEqual(expected);
      }
      const { body } = await app.send('GET', '_/audit?table=Item&limit=1000', undefined, ADMIN);
      const told = (body as unknown as { seq: number; op: string; id: string; changes: Row }[])
        .toSorted((a, b) => a.seq - b.seq)
        .map(({ seq, op, id, changes: { id: _id, ...changes } }) => [seq, op, id, changes]);
      expect(told).toEqual(audited);
      entries += log.length;
      await app.stop();
    },
  );
  await fc.assert(property, { numRuns: Number(process.env.PROPERTY_RUNS ?? 20) });
  expect(entries).toBeGreaterThan(100);
});
