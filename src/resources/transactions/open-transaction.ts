import { type Identity, SERVER } from '../../auth/identity.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type { RecordKey, WriteOutcome } from '../../store/store.ts';
import type { JsonObject } from '../table/frames.ts';
import type { TableResource } from '../table/resource.ts';
import type { PreparedStep, RecordStep } from '../table/types.ts';
import type { TransactionTable, TransactionTables } from './code.ts';
import { tooManySteps } from './steps.ts';
import { WrittenRecords } from './transactions.ts';

interface CollectedWrite {
  readonly resource: TableResource;
  readonly step: PreparedStep;
}

type WriteStep = Pick<RecordStep, 'op' | 'id' | 'data'>;

/**
 * Collects the writes of one attempt of a transaction by code, and conditions that what it has read is still true at the
 * commit.
 */
export class OpenTransaction {
  readonly #resources: ReadonlyMap<string, TableResource>;
  readonly #identity: Identity;
  readonly #maxSteps: number;
  readonly #writes: CollectedWrite[] = [];
  readonly #checks: PreparedStep[] = [];
  readonly #written = new WrittenRecords();
  readonly #writtenTables = new Set<TablePlan>();
  #isOpen = true;

  constructor(resources: ReadonlyMap<string, TableResource>, identity: Identity, maxSteps: number) {
    this.#resources = resources;
    this.#identity = identity;
    this.#maxSteps = maxSteps;
  }

  /** Runs the callback; afterwards its tables cannot be used any more. */
  async collect<Result>(work: (tx: TransactionTables) => Promise<Result> | Result): Promise<Result> {
    const tables = [...this.#resources].map(([name, resource]) => [name, this.#tableOf(name, resource)]);
    try {
      return await work(Object.freeze(Object.assign(Object.create(null), Object.fromEntries(tables))));
    } finally {
      this.#isOpen = false;
    }
  }

  /** Conditions, and the writes in their order: the conditions are about the state before them. */
  get steps(): readonly PreparedStep[] {
    return [...this.#checks, ...this.#writes.map(({ step }) => step)];
  }

  /** Counts the outcomes of the commit. */
  async finish(outcomes: readonly WriteOutcome[]): Promise<void> {
    const written = outcomes.slice(this.#checks.length);
    for (const [at, { resource, step }] of this.#writes.entries()) {
      await resource.finishStep(this.#identity, written[at] as WriteOutcome, step);
    }
  }

  #tableOf(name: string, resource: TableResource): TransactionTable {
    const write = (step: WriteStep) => this.#write(resource, step);
    return Object.freeze({
      get: (id: RecordKey) => this.#get(name, resource, id),
      find: <Selected>(query = '') => this.#find<Selected>(name, resource, query),
      create: async (data: JsonObject) => (await write({ op: 'create', id: undefined, data })) as RecordKey,
      put: async (id: RecordKey, data: JsonObject) => void (await write({ op: 'put', id, data })),
      patch: async (id: RecordKey, data: JsonObject) => void (await write({ op: 'patch', id, data })),
      delete: async (id: RecordKey) => void (await write({ op: 'delete', id, data: undefined })),
      publish: async (id: RecordKey | null, data: unknown) =>
        void (await write({ op: 'publish', id: id ?? undefined, data })),
    });
  }

  async #get(name: string, resource: TableResource, id: RecordKey): Promise<JsonObject | undefined> {
    this.#checkOpen(name);
    if (this.#written.has(resource, id)) throw readAfterWrite(`${name}.get(${JSON.stringify(id)})`, 'that record');
    // The seq is read first, with all rights: a record that the caller cannot see must not change, either.
    const stored = await resource.get(SERVER, id);
    const shown = await resource.get(this.#identity, id);
    const seq = shown?.seq ?? stored?.seq;
    const precondition = seq === undefined ? 'none' : [seq];
    this.#checks.push({ write: { type: 'check', table: resource.table, id, precondition }, isRetried: true });
    this.#checkSize();
    return shown && (JSON.parse(shown.json) as JsonObject);
  }

  async #find<Selected>(name: string, resource: TableResource, rawQuery: string): Promise<readonly Selected[]> {
    this.#checkOpen(name);
    const query = resource.parseList(this.#identity, rawQuery);
    const tables = [resource.table, ...query.related];
    if (tables.some((table) => this.#writtenTables.has(table))) throw readAfterWrite(`${name}.find`, 'its table');
    const since = resource.head;
    const { json } = await resource.readList(query);
    for (const table of tables) this.#checks.push({ write: { type: 'check-table', table, since }, isRetried: true });
    this.#checkSize();
    return JSON.parse(json) as Selected[];
  }

  async #write(resource: TableResource, { op, id, data }: WriteStep): Promise<RecordKey | null> {
    this.#checkOpen(resource.table.exportName ?? resource.table.name);
    const isRepeated = id !== undefined && this.#written.has(resource, id);
    const step = await resource.prepare(this.#identity, { op, id, data, precondition: undefined, isRepeated });
    this.#writes.push({ resource, step });
    this.#checkSize();
    const key = 'id' in step.write ? step.write.id : null;
    if (op === 'publish' || key === null) return key;
    this.#written.add(resource, key);
    this.#writtenTables.add(resource.table);
    return key;
  }

  #checkSize(): void {
    const size = this.#checks.length + this.#writes.length;
    if (size > this.#maxSteps) throw tooManySteps(size, this.#maxSteps);
  }

  #checkOpen(name: string): void {
    if (!this.#isOpen)
      throw new Error(`The transaction is over: await every call of ${name} before its callback ends.`);
  }
}

function readAfterWrite(what: string, written: string): Error {
  return new Error(
    `${what}: the transaction has written ${written}, and its reads see what was committed before. Read before writing.`,
  );
}
