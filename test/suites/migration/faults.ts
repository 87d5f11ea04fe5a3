import { isDeepStrictEqual } from 'node:util';
import { expect, test } from 'vitest';
import { StoreHarness } from '../store/harness.ts';
import { type MigratedEngine, namesOf } from './harness.ts';

const BEFORE = `enum S { A b }
  type Card @table(expiration: "900d") @audit @compositeIndex(fields: ["n", "s"]) {
    id: ID! @primaryKey title: String @indexed(type: "fulltext") mail: String @unique n: Int @indexed s: S }`;
/** Renames in place. */
const MOVED = `enum S { A b }
  type Task @table(expiration: "900d") @audit @renamedFrom(name: "Card") @compositeIndex(fields: ["count", "s"]) {
    id: ID! @primaryKey name: String @indexed(type: "fulltext") @renamedFrom(name: "title")
    mail: String @unique count: Int @indexed @renamedFrom(name: "n") s: S more: Int }`;
/** Copies the records: values change their names and types. */
const REBUILT = MOVED.replace('A b', 'a @renamedFrom(name: "A") b').replace('count: Int', 'count: Long');

export interface Fault {
  /** True when the statement has come. */
  readonly isDone: () => boolean;
  readonly end: () => void;
}

export interface FaultyEngine extends MigratedEngine {
  /** Makes the statement with this number fail, counted from now on. */
  faultAt(number: number): Fault;
  /** True for an error of an opening that a fault causes. */
  isCaused(error: unknown): boolean;
  /** True to migrate after each fault, and to begin anew: where making a store takes milliseconds. */
  readonly beginsAnew: boolean;
}

async function stored(subject: MigratedEngine): Promise<StoreHarness> {
  const harness = await StoreHarness.open(subject, BEFORE);
  await harness.create('c1', 'One', 'a@x', 1, 'A');
  await harness.create('c2', 'Two', 'b@x', 2, 'b');
  await harness.commit({ once: onceOf('Card'), writes: [harness.of({ type: 'delete', id: 'c2' })] });
  await harness.close();
  return harness;
}

/** Idempotency key of a write to a table. */
function onceOf(table: string) {
  return { key: JSON.stringify(['anonymous', table, 'http', 'k']), hash: 'h' };
}

async function expectMigrated(harness: StoreHarness, sdl: string): Promise<void> {
  await harness.open(sdl);
  expect(await harness.records()).toMatchObject([{ id: 'c1', name: 'One', mail: 'a@x', count: 1 }]);
  expect(await harness.ids('name=ft=one')).toBe('c1');
  expect(await harness.store.isStored(onceOf('Task'))).toBe(true);
  await harness.close();
}

/** What must hold when a migration is cut off, at whatever statement. */
export function faultsSuite(subject: FaultyEngine): void {
  test.each([
    ['renames in place', MOVED],
    ['copies the records', REBUILT],
  ])('a fault at any statement leaves the old or the new when a migration %s', { timeout: 600_000 }, async (_, sdl) => {
    const contentsOf = ({ options }: StoreHarness) => subject.contents(options.dir);
    const finished = await stored(subject);
    await expectMigrated(finished, sdl);
    const now = namesOf(await contentsOf(finished));
    let harness = await stored(subject);
    let old = await contentsOf(harness);
    let failed = 0;
    for (let number = 0; ; number++) {
      const fault = subject.faultAt(number);
      const error = await harness.open(sdl).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      fault.end();
      await harness.close();
      if (error !== undefined && !subject.isCaused(error)) throw error;
      if (!fault.isDone()) break;
      if (error !== undefined) failed++;
      const contents = await contentsOf(harness);
      // After the transaction there are statements that only prepare the store for work.
      const isNew = isDeepStrictEqual(namesOf(contents), now);
      if (!isNew) expect(contents).toEqual(old);
      if (!isNew && !subject.beginsAnew) continue;
      await expectMigrated(harness, sdl);
      harness = await stored(subject);
      old = await contentsOf(harness);
    }
    expect(failed).toBeGreaterThan(15);
    await expectMigrated(harness, sdl);
  });
}
