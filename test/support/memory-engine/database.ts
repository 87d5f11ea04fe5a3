import { type MigrationStep, planMigration, type StoredSchema, stepName } from '../../../src/schema/migration/diff.ts';
import { keyOf } from '../../../src/schema/migration/stored.ts';
import type { Plan, TablePlan } from '../../../src/schema/plan.ts';
import type { MigrationPreview } from '../../../src/store/engine.ts';
import { previewSteps } from '../../../src/store/migration/check.ts';
import { MigrationRefusedError, StoreOpenError } from '../../../src/store/open-errors.ts';
import type { Allowance, StoreOptions } from '../../../src/store/store.ts';
import { MemoryAudit } from './audit.ts';
import { KeptOutcomes } from './idempotency.ts';
import { MemoryTable } from './table.ts';

/** Changes of a schema that leave every value as it is. Other migrations are not what this engine is for. */
const SUPPORTED: ReadonlySet<string> = new Set([
  'create-table',
  'add-column',
  'drop-column',
  'create-index',
  'drop-index',
  'create-fulltext-index',
  'drop-fulltext-index',
  'create-composite-index',
  'drop-composite-index',
  'make-nullable',
  'change-expiration',
  'keep-table',
]);

/** What stays in one data directory when its store is closed. */
export class MemoryDatabase {
  readonly outcomes = new KeptOutcomes();
  audit: MemoryAudit | undefined;
  /** The newest position that was given out. */
  last = 0;
  /** Every position that was ever given out. */
  readonly #issued = new Set<number>();
  readonly #tables = new Map<string, MemoryTable>();
  #isOpen = false;

  /** Takes the plan for its own. Throws StoreOpenError while it is open, and where the plan does not fit. */
  open(plan: Plan, { dir, allowDestructive, onNotice, onWarning }: StoreOptions): void {
    if (this.#isOpen) throw new StoreOpenError(`${dir} is in use.`);
    const { refusal } = this.preview(plan, allowDestructive);
    if (refusal !== undefined) throw new MigrationRefusedError(refusal);
    for (const { type, sentence } of planMigration(this.#schema, plan)) {
      if (type === 'keep-table') onWarning?.(sentence);
      else onNotice?.(sentence);
    }
    const position = Math.max(Date.now() * 1000, this.last + 1);
    for (const table of plan.tables) this.#adopt(table, position);
    if (plan.tables.some(({ audited }) => audited)) this.audit ??= new MemoryAudit();
    this.#isOpen = true;
  }

  close(): void {
    this.#isOpen = false;
  }

  /** What `open` would do. */
  preview(plan: Plan, allowed: Allowance): MigrationPreview {
    const steps = planMigration(this.#schema, plan);
    const impossible = steps.filter((step) => !isSupported(step));
    const lossy = steps.filter((step) => step.destructive && this.#hasRecords(step));
    const losing = lossy.filter((step) => !isAllowed(step, allowed));
    const refused = [...impossible, ...losing].map(({ sentence }) => sentence);
    return {
      refusal: refused.length === 0 ? undefined : refused.join('; '),
      impossible: impossible.length > 0,
      losing: losing.flatMap((step) => stepName(step) ?? []),
      names: steps.flatMap((step) => stepName(step) ?? []),
      steps: previewSteps(steps.map((step) => ({ step, check: undefined }))),
      pending: steps.length > 0,
    };
  }

  table(plan: TablePlan): MemoryTable {
    const table = this.#tables.get(keyOf(plan));
    if (table?.plan !== plan) throw new Error(`The store was not opened with the table ${plan.name}.`);
    return table;
  }

  /** Tables that have left the schema keep their records and entries, which are no longer served. */
  tables(): IterableIterator<MemoryTable> {
    return this.#tables.values();
  }

  issue(position: number): void {
    this.#issued.add(position);
    this.last = Math.max(this.last, position);
  }

  /** True when the position, or that of the entry right after it, was given out. */
  wasIssued(position: number): boolean {
    return this.#issued.has(position) || this.#issued.has(position + 1);
  }

  #hasRecords(step: MigrationStep): boolean {
    return 'table' in step && (this.#tables.get(keyOf(step.table))?.size ?? 0) > 0;
  }

  get #schema(): StoredSchema | undefined {
    if (this.#tables.size === 0) return undefined;
    return { version: 1, tables: [...this.#tables.values()].map(({ description }) => description) };
  }

  #adopt(plan: TablePlan, position: number): void {
    const table = this.#tables.get(keyOf(plan));
    if (table === undefined) {
      this.#tables.set(keyOf(plan), new MemoryTable(plan, position));
      this.issue(position);
      return;
    }
    table.adopt(plan, position);
    if (table.layoutSeq === position) this.issue(position);
  }
}

function isSupported(step: MigrationStep): boolean {
  return SUPPORTED.has(step.type) && (step.type !== 'add-column' || step.fill === 'null');
}

function isAllowed(step: MigrationStep, allowed: Allowance): boolean {
  return typeof allowed === 'boolean' ? allowed : allowed.includes(stepName(step) ?? '');
}
