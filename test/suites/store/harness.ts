import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import { AppError } from '../../../src/errors.ts';
import { type ListQuery, parseListQuery } from '../../../src/query/index.ts';
import type { Plan, TablePlan } from '../../../src/schema/plan.ts';
import type { StorageEngine } from '../../../src/store/engine.ts';
import type { Write } from '../../../src/store/rows/write.ts';
import type {
  Cell,
  Change,
  CommitResult,
  IdempotentGroup,
  ListPage,
  RecordKey,
  Store,
  StoreOptions,
  WriteGroup,
  WriteOutcome,
} from '../../../src/store/store.ts';
import { LIMITS } from '../../query/tables.ts';
import { planOf } from '../../schema/mistakes.ts';

/** What the suite runs on. */
export interface EngineUnderTest {
  readonly engine: StorageEngine;
  readonly options?: Partial<StoreOptions>;
  /** True where several servers may have the same records open. */
  readonly isShared?: boolean;
}

const NONE: ReadonlySet<string> = new Set();

/** A write of the first table of the schema, unless it names another one. */
export type HarnessWrite = WithoutTable<Write>;
type WithoutTable<One> = One extends Write ? Omit<One, 'table'> & { readonly table?: TablePlan } : never;

/** One data directory, whose store is opened with one schema after another. */
export class StoreHarness {
  readonly #subject: EngineUnderTest;
  readonly #dir = mkdtempSync(join(tmpdir(), 'tablecast-suite-'));
  #open:
    | {
        readonly store: Store;
        readonly plan: Plan;
        readonly notices: readonly string[];
        readonly warnings: readonly string[];
      }
    | undefined;

  constructor(subject: EngineUnderTest) {
    this.#subject = subject;
    onTestFinished(async () => {
      await this.close();
      rmSync(this.#dir, { recursive: true, force: true });
    });
  }

  static async open(
    subject: EngineUnderTest,
    schema: string | Plan,
    options: Partial<StoreOptions> = {},
  ): Promise<StoreHarness> {
    const harness = new StoreHarness(subject);
    await harness.open(schema, options);
    return harness;
  }

  /** Opens the store; one that is open is closed first. */
  async open(schema: string | Plan, options: Partial<StoreOptions> = {}): Promise<void> {
    await this.close();
    const plan = typeof schema === 'string' ? planOf(schema) : schema;
    const notices: string[] = [];
    const warnings: string[] = [];
    const store = await this.#subject.engine.openRecords(plan, {
      ...this.options,
      onNotice: (sentence) => notices.push(sentence),
      onWarning: (sentence) => warnings.push(sentence),
      ...options,
    });
    this.#open = { store, plan, notices, warnings };
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.store.close();
  }

  get options(): StoreOptions {
    return {
      dir: this.#dir,
      durability: 'normal',
      events: { retention: 86_400_000, maxCount: 100_000, replayPage: 500 },
      largestScan: 100_000,
      largestCascade: 10_000,
      // Small, so that few records are answered from a cache.
      recordCache: 65_536,
      idempotency: { retention: 86_400_000, maxCount: 100_000, maxSize: 268_435_456 },
      audit: { retention: 86_400_000, maxCount: 100_000 },
      allowDestructive: false,
      ...this.#subject.options,
    };
  }

  get store(): Store {
    return this.#opened.store;
  }

  get notices(): readonly string[] {
    return this.#opened.notices;
  }

  get warnings(): readonly string[] {
    return this.#opened.warnings;
  }

  /** The first table of the schema. */
  get table(): TablePlan {
    return this.tableNamed(this.#opened.plan.tables[0]?.name ?? '');
  }

  tableNamed(name: string): TablePlan {
    const table = this.#opened.plan.tables.find((one) => one.name === name);
    if (table === undefined) throw new Error(`The schema has no table ${name}.`);
    return table;
  }

  /** One transaction of these groups. */
  async commit(...groups: readonly (WriteGroup | IdempotentGroup)[]): Promise<CommitResult> {
    return this.store.commit(groups);
  }

  /** The write as the store takes it; cells at the end that are not given are not sent. */
  of(write: HarnessWrite): Write {
    const table = write.table ?? this.table;
    if (!('cells' in write)) return { ...write, table } as Write;
    return { ...write, table, cells: table.fields.map((_, place) => write.cells[place]) } as Write;
  }

  /** Makes one write; throws why it was refused. */
  async write(write: HarnessWrite): Promise<WriteOutcome> {
    const { results } = await this.commit([this.of(write)]);
    const [result] = results;
    if (result instanceof AppError) throw result;
    return result?.[0] as WriteOutcome;
  }

  /** Makes a record of the first table; its first field is the key. */
  create(...cells: readonly (Cell | undefined)[]): Promise<WriteOutcome> {
    return this.write({ type: 'create', id: cells[0] as RecordKey, cells });
  }

  /** As `create`, and replaces a record that is there. */
  put(...cells: readonly (Cell | undefined)[]): Promise<WriteOutcome> {
    return this.write({ type: 'put', id: cells[0] as RecordKey, cells });
  }

  patch(id: RecordKey, ...cells: readonly (Cell | undefined)[]): Promise<WriteOutcome> {
    return this.write({ type: 'patch', id, cells: [undefined, ...cells] });
  }

  delete(id: RecordKey): Promise<WriteOutcome> {
    return this.write({ type: 'delete', id });
  }

  /** Every record of the table, parsed, in the order of the keys. */
  async records(table = this.table): Promise<unknown[]> {
    return parseAll(await this.store.page(table, undefined, 10_000));
  }

  /** The log of the table. */
  async log(after = 0, limit = 10_000, id?: RecordKey): Promise<readonly Change[]> {
    return this.store.readLog(this.table, after, limit, id);
  }

  query(text: string, table = this.table): ListQuery {
    return parseListQuery(text, table, LIMITS, NONE);
  }

  async list(text: string, table = this.table): Promise<ListPage> {
    return this.store.list(table, this.query(text, table));
  }

  /** The records of a list, parsed. */
  async find(text: string, table = this.table): Promise<unknown[]> {
    return JSON.parse((await this.list(text, table)).json) as unknown[];
  }

  /** The keys of a list, with spaces between them. */
  async ids(text: string, table = this.table): Promise<string> {
    const records = (await this.find(`${text}&select=${table.primaryKey.name}`, table)) as { id: RecordKey }[];
    return records.map(({ id }) => id).join(' ');
  }

  /** Removes what is past retention, at most `limit` at a time; gives how often it took. */
  async trimAll(now = Date.now(), limit = 100): Promise<number> {
    for (let calls = 1; ; calls++) {
      if (!(await this.store.trim(now, limit))) return calls;
      if (calls > 1000) throw new Error('Trimming does not come to an end.');
    }
  }

  get #opened() {
    if (this.#open === undefined) throw new Error('The store is not open.');
    return this.#open;
  }
}

function parseAll(records: readonly { readonly json: string }[]): unknown[] {
  return records.map(({ json }) => JSON.parse(json) as unknown);
}

/** `done`, or the code of the failure. */
export async function codeOf(made: Promise<unknown>): Promise<string> {
  try {
    await made;
    return 'done';
  } catch (error) {
    if (error instanceof AppError) return error.code;
    throw error;
  }
}

export const START = Date.parse('2100-01-01T00:00:00Z');

/** The clock stands still until the test moves it. */
export function stopClock(): void {
  vi.useFakeTimers({ toFake: ['Date'], now: START });
  onTestFinished(() => void vi.useRealTimers());
}

/** Moves the clock, also back. */
export function pass(milliseconds: number): void {
  vi.setSystemTime(Date.now() + milliseconds);
}
