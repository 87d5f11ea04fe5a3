import { type Answer, type Ask, ask, type TablecastError } from '../state/http.ts';
import type { Table } from '../state/schema.ts';
import type { RowsOptions } from './grid-rows.ts';
import { fitPage, MAX_PAGE_BYTES, type PageShape, WHOLE_PAGE } from './page-shape.ts';
import { joinSearch } from './query.ts';
import type { Rec } from './segment.ts';

/** Records by which the size of pages is judged. */
const SAMPLE_ROWS = 3;
const MAX_SAMPLE_BYTES = 16_777_216;

/** Reads pages of a query that are not too large. */
export class PageReader {
  /** Fields that are not asked for, since their values are large. */
  leftOut: ReadonlySet<string> = new Set();
  readonly #options: Omit<RowsOptions, 'host'>;
  /** Undefined until pages are known to fit, or not. */
  #shape: PageShape | undefined;

  constructor(options: Omit<RowsOptions, 'host'>) {
    this.#options = options;
  }

  /** Parameter that leaves out what is not asked for. */
  get select(): string {
    return selectWithout(this.#options.table, this.leftOut);
  }

  /** Reads a page, with fewer rows and without large values where it would be too large. */
  async read(place: string, signal: AbortSignal): Promise<Answer<readonly Rec[]>> {
    const canBeLarge = this.#options.table.fields.some(
      ({ kind, list }) => kind === 'json' || kind === 'object' || list,
    );
    if (this.#shape === undefined && canBeLarge) await this.#fit(place, signal);
    for (;;) {
      const shape = this.#shape ?? WHOLE_PAGE;
      try {
        return await this.#ask(place, shape, { signal, maxBytes: MAX_PAGE_BYTES });
      } catch (error) {
        if ((error as TablecastError).code !== 'TOO_LARGE' || shape.rows === 1) throw error;
        await this.#fit(place, signal);
        // The sample has said nothing new: other records are larger.
        if (this.#shape?.rows === shape.rows && this.leftOut.size === shape.leftOut.size)
          this.#shape = { ...shape, rows: Math.max(1, shape.rows >> 2) };
      }
    }
  }

  /** Makes pages fit by a few records of this place. */
  async #fit(place: string, signal: AbortSignal): Promise<void> {
    const { rows, leftOut } = this.#shape ?? WHOLE_PAGE;
    const { data } = await this.#ask(place, { rows: SAMPLE_ROWS, leftOut }, { signal, maxBytes: MAX_SAMPLE_BYTES });
    const kept = new Set([
      this.#options.table.key,
      ...this.#options.query.sort.split(',').map((name) => name.replace(/^[-+]/, '')),
    ]);
    const fitting = fitPage(data, kept);
    // Values that a query asks for by name are not left out of it.
    const isGiven = /(?:^|&)select=/.test(this.#options.query.search);
    this.leftOut = isGiven ? leftOut : new Set([...leftOut, ...fitting.leftOut]);
    this.#shape = { leftOut: this.leftOut, rows: Math.min(rows, fitting.rows) };
  }

  #ask(place: string, { rows, leftOut }: PageShape, options: Ask): Promise<Answer<readonly Rec[]>> {
    // The query comes first, as it was written: errors name its columns.
    const search = joinSearch(
      this.#options.query.search,
      selectWithout(this.#options.table, leftOut),
      `limit=${rows}`,
      place,
    );
    return ask<readonly Rec[]>(this.#options.app, `${encodeURIComponent(this.#options.table.name)}?${search}`, options);
  }
}

function selectWithout(table: Table, leftOut: ReadonlySet<string>): string {
  if (leftOut.size === 0) return '';
  const fields = table.fields.filter(({ name, hidden }) => !hidden && !leftOut.has(name));
  return `select=${fields.map(({ name }) => name).join(',')}`;
}
