import type { TablePlan } from '../../../schema/plan.ts';
import {
  type ReferenceHost,
  type ReferenceQuestion,
  type ReferenceSteps,
  References,
} from '../../references/references.ts';
import type { Cell, RecordKey } from '../../store.ts';
import type { OverlayTable } from './overlay.ts';
import type { PgTable } from './table.ts';

/** Parts of an attempt to commit. */
export interface PgReferencesOptions {
  /** Maximum of records that the deletions of a group delete or change besides. */
  readonly limit: number;
  overlayOf(table: TablePlan): OverlayTable;
  readonly apply: ReferenceHost['apply'];
  /** Reads records and keeps them from being deleted by others, and adds them to the overlay. */
  share(table: TablePlan, ids: readonly RecordKey[]): Promise<void>;
  /** Reads and locks the records of a statement, and adds them to the overlay. Returns their keys. */
  find(table: TablePlan, statement: (of: PgTable) => ReturnType<PgTable['lock']>): Promise<readonly RecordKey[]>;
  /** Writes what has been applied. */
  flush(): Promise<void>;
}

/**
 * References in an attempt to commit. The record of a key is locked until the end of the transaction, so that nothing else
 * deletes it meanwhile; so are the records that refer to a deleted one.
 */
export class PgReferences {
  readonly group: References;
  readonly #options: PgReferencesOptions;

  constructor(options: PgReferencesOptions) {
    const row = (table: TablePlan, key: RecordKey) => options.overlayOf(table).get(key);
    const has = (table: TablePlan, key: RecordKey) => row(table, key) !== undefined;
    this.#options = options;
    this.group = new References({ has, row, apply: options.apply }, options.limit);
  }

  /** Answers what a deletion, or the end of a group, asks. */
  async run(steps: ReferenceSteps): Promise<void> {
    let isFlushed = false;
    for (let step = steps.next(); step.done !== true; ) {
      // A deletion makes no record refer to another one: what it changes need not be written before the next question.
      if (step.value.ask === 'referring' && !isFlushed) {
        await this.#options.flush();
        isFlushed = true;
      }
      step = steps.next(await this.#answer(step.value));
    }
  }

  async #answer(question: ReferenceQuestion): Promise<readonly RecordKey[]> {
    if (question.ask === 'present') {
      const { table, keys } = question;
      const overlay = this.#options.overlayOf(table);
      const unknown = keys.filter((key) => !overlay.knows(key));
      if (unknown.length > 0) await this.#options.share(table, unknown);
      return keys.filter((key) => overlay.get(key) !== undefined);
    }
    const found = await this.#findReferring(question);
    const left = found.filter((id) => this.#refers(question, id));
    if (left.length === found.length || found.length < question.limit) return left;
    // Records that have been deleted since were in the way of others.
    await this.#options.flush();
    return this.#findReferring(question);
  }

  #findReferring({ reference, keys, limit }: Extract<ReferenceQuestion, { ask: 'referring' }>) {
    return this.#options.find(reference.table, (table) => table.lockReferring(reference.field, keys, limit));
  }

  #refers({ reference, keys }: Extract<ReferenceQuestion, { ask: 'referring' }>, id: RecordKey): boolean {
    const { table, field } = reference;
    const cell: Cell = this.#options.overlayOf(table).get(id)?.[table.fields.indexOf(field)] ?? null;
    return cell !== null && (keys.length > 1 || cell === keys[0]);
  }
}
