import { expect } from 'vitest';
import { MigrationRefusedError } from '../../../src/store/open-errors.ts';
import type { Allowance, Cell } from '../../../src/store/store.ts';
import { type EngineUnderTest, StoreHarness } from '../store/harness.ts';

/** Everything that the engine stores for a closed data directory: tables and indexes as they are made, and every row. */
export interface StoredContents {
  readonly objects: unknown;
  readonly rows: unknown;
}

/** Names of the tables and indexes; of PostgreSQL the statements of the indexes, which have both. */
export function namesOf({ objects }: StoredContents): unknown {
  if (Array.isArray(objects)) return objects.map(({ name }: { name: string }) => name);
  return (objects as { indexes: readonly unknown[] }).indexes;
}

export interface MigratedEngine extends EngineUnderTest {
  contents(dir: string): Promise<StoredContents>;
}

/** Opens a store with a schema and stores records of its first table, given as cells in the order of the fields. */
export async function storedWith(
  subject: MigratedEngine,
  sdl: string,
  rows: readonly (readonly Cell[])[],
): Promise<StoreHarness> {
  const harness = await StoreHarness.open(subject, sdl);
  for (const row of rows) await harness.create(...row);
  return harness;
}

/** Returns the refusal of a schema, which changes nothing. */
export async function refusalOf(
  subject: MigratedEngine,
  harness: StoreHarness,
  sdl: string,
  allowDestructive: Allowance = false,
): Promise<string> {
  await harness.close();
  const { dir } = harness.options;
  const before = await subject.contents(dir);
  const error = await harness.open(sdl, { allowDestructive }).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof MigrationRefusedError)) throw error ?? new Error('The schema was accepted.');
  expect(await subject.contents(dir)).toEqual(before);
  return error.message;
}
