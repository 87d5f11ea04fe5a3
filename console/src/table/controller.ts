import { signal } from '@preact/signals';
import { change, discardField, draftsOf } from '../edits/drafts.ts';
import { fromInput, toInput } from '../edits/values.ts';
import { type Column, columnsOf, columnsOfRecords, keepLayout, type Layout, readLayout } from '../grid/columns.ts';
import { makeEditor } from '../grid/editor.ts';
import type { GridRows, RowsHost } from '../grid/grid-rows.ts';
import { type GridHost, GridView } from '../grid/grid-view.ts';
import { ListRows } from '../grid/list-rows.ts';
import { LiveRows } from '../grid/live-rows.ts';
import { type GridQuery, nextSort, parseQuery, withSort } from '../grid/query.ts';
import type { Id, Row } from '../grid/segment.ts';
import { go, paths } from '../state/address.ts';
import { say } from '../state/messages.ts';
import type { Table } from '../state/schema.ts';
import { canWrite } from '../state/view.ts';
import type { Source } from '../transfer/source.ts';
import { handleGridKey } from './grid-keys.ts';
import { pasteText } from './paste.ts';

/** Dialog over a table. */
export type TableDialog =
  | { readonly what: 'import'; readonly source?: Source }
  | { readonly what: 'export' | 'explain' | 'access' }
  | { readonly what: 'change' | 'delete'; readonly scope: 'selection' | 'matches' };

/** One table on the screen: its rows, the grid that draws them, and what is done with both. */
export class TableController {
  readonly app: string;
  readonly table: Table;
  readonly view: GridView;
  readonly selection = signal<ReadonlyMap<Id, Row>>(new Map());
  readonly layout = signal<Layout>({});
  readonly menu = signal<{ readonly name: string; readonly anchor: HTMLElement } | undefined>(undefined);
  /** Rows that came above what is in sight. */
  readonly above = signal(0);
  readonly isPaused = signal(false);
  readonly hasSpoken = signal(0);
  readonly isDeleting = signal(false);
  readonly dialog = signal<TableDialog | undefined>(undefined);
  /** Whether the form for a new record is open. */
  readonly isCreating = signal(false);
  query: GridQuery;
  rows: GridRows;
  #lastSelected: number | undefined;
  #stopDrafts: () => void;

  constructor(app: string, table: Table, search: string) {
    this.app = app;
    this.table = table;
    this.query = parseQuery(search);
    this.layout.value = readLayout(app, table.name);
    this.view = new GridView(this.#host());
    this.view.element.addEventListener('paste', (event) => {
      if (event.target instanceof HTMLInputElement || event.target instanceof HTMLTextAreaElement) return;
      event.preventDefault();
      pasteText(this, event.clipboardData?.getData('text/plain') ?? '');
    });
    this.rows = this.#makeRows();
    this.#stopDrafts = draftsOf(app, table.name).subscribe(() => this.view.refresh());
    this.#setColumns();
  }

  close(): void {
    this.#stopDrafts();
    this.rows.close();
    this.view.close();
  }

  /** Shows another query of the same table. */
  setSearch(search: string): void {
    const query = parseQuery(search);
    if (query.search === this.query.search) return;
    this.query = query;
    this.rows.close();
    this.rows = this.#makeRows();
    if (this.isPaused.value) this.rows.freeze('pause');
    this.select(new Map());
    this.above.value = 0;
    this.view.scrollTo(0);
    this.view.active.row = Math.min(this.view.active.row, 0);
    this.#setColumns();
    this.view.refresh();
  }

  setLayout(layout: Layout): void {
    this.layout.value = layout;
    keepLayout(this.app, this.table.name, layout);
    this.#setColumns();
  }

  togglePause(): void {
    this.isPaused.value = !this.isPaused.value;
    if (this.isPaused.value) this.rows.freeze('pause');
    else this.rows.unfreeze('pause');
    this.hasSpoken.value++;
  }

  toTop(): void {
    this.view.scrollTo(0);
    this.above.value = 0;
    this.view.schedule();
  }

  open(index: number): void {
    const row = this.rows.row(index);
    if (row === undefined || this.query.mode === 'totals') return;
    this.isCreating.value = false;
    go(paths.record(this.app, this.table.name, row.id, this.query.search));
  }

  /** Whether the value of this column can be edited in its cell. */
  isEditable({ field, isKey }: Column): boolean {
    if (field === undefined || isKey || field.readOnly || this.rows.leftOut.has(field.name)) return false;
    return canWrite.value && this.query.mode !== 'totals';
  }

  edit(index: number, column: Column, typed: string | undefined): void {
    const row = this.rows.row(index);
    const { field } = column;
    if (row !== undefined && this.rows.leftOut.has(column.name)) {
      this.open(index);
      return;
    }
    if (row === undefined || field === undefined || !this.isEditable(column)) {
      if (row !== undefined && field?.readOnly) say(`${column.name} is set by the server.`);
      return;
    }
    if (field.list || field.kind === 'json' || field.kind === 'object') {
      this.open(index);
      return;
    }
    const at = this.view.columns.indexOf(column);
    this.view.focusCell(index, at);
    const pending = this.#pending(row.id, column.name);
    const shown = row.record[column.name] ?? null;
    const value = pending ? pending.value : shown;
    this.rows.freeze('edit');
    const editor = makeEditor({
      field,
      text: typed ?? toInput(value, field),
      label: `${column.name} of ${row.id}`,
      done: (text, move) => {
        if (text !== undefined) this.#take(row, column, { text, shown, wasNull: value === null });
        this.rows.unfreeze('edit');
        const steps = { stay: [0, 0], down: [1, 0], right: [0, 1], left: [0, -1] } as const;
        const [down, right] = steps[move];
        const next = Math.min(this.rows.size - 1, index + down);
        this.view.focusCell(next, Math.max(0, Math.min(this.view.columns.length - 1, at + right)));
      },
    });
    this.view.overlay(editor, index, at);
    editor.focus();
    if (editor instanceof HTMLInputElement && typed === undefined) editor.select();
  }

  setNull(index: number, column: Column): void {
    const row = this.rows.row(index);
    if (row === undefined || !this.isEditable(column) || column.field?.required) return;
    this.#change(row, column.name, null);
  }

  select(selection: ReadonlyMap<Id, Row>): void {
    this.selection.value = selection;
    if (selection.size > 0) this.rows.freeze('selection');
    else this.rows.unfreeze('selection');
    this.view.refresh();
  }

  /** Column that stands at this place. */
  column(index: number): Column | undefined {
    return this.view.columns[index];
  }

  #take(row: Row, column: Column, edit: { text: string; shown: unknown; wasNull: boolean }): void {
    // An untouched input is no change, whatever an empty text would mean.
    const pending = this.#pending(row.id, column.name);
    const value = pending ? pending.value : edit.shown;
    if (edit.text === toInput(value, column.field)) return;
    const parsed = fromInput(edit.text, column.field, edit.wasNull);
    if ('error' in parsed) say(`${column.name} ${parsed.error}; “${edit.text.slice(0, 40)}” was not taken.`, 'bad');
    else this.#change(row, column.name, parsed.value);
  }

  #change({ id, record }: Row, name: string, value: unknown): void {
    change(this.app, this.table.name, id, { name, shown: record[name] ?? null, value });
  }

  discardCell(id: Id, name: string): void {
    discardField(this.app, this.table.name, id, name);
  }

  #pending(id: Id, name: string): { readonly value: unknown } | undefined {
    const changes = draftsOf(this.app, this.table.name).peek().get(id)?.changes;
    return changes !== undefined && Object.hasOwn(changes, name) ? { value: changes[name] } : undefined;
  }

  #makeRows(): GridRows {
    const Rows = this.query.mode === 'scroll' ? LiveRows : ListRows;
    const host: RowsHost = {
      sight: () => this.view.sight(),
      changed: (flashes, above) => {
        if (rows !== this.rows) return;
        if (this.query.mode === 'totals') this.#setColumns();
        if (above !== 0 && !this.view.isAtTop) {
          this.view.shift(above);
          this.above.value = Math.max(0, this.above.value + above);
        } else if (this.view.isAtTop) this.above.value = 0;
        this.view.refresh(flashes);
        this.hasSpoken.value++;
      },
    };
    const rows: GridRows = new Rows({ app: this.app, table: this.table, query: this.query, host });
    return rows;
  }

  #setColumns(): void {
    const { mode } = this.query;
    this.view.setColumns(
      mode === 'totals'
        ? columnsOfRecords(this.rows.loaded.map(({ record }) => record))
        : columnsOf(this.table, this.query, this.layout.value),
    );
  }

  #host(): GridHost {
    return {
      label: `Records of ${this.table.name}`,
      size: () => this.rows.size,
      row: (index) => this.rows.row(index),
      pending: (id, name) => this.#pending(id, name),
      isSelected: (id) => this.selection.peek().has(id),
      isLeftOut: (name) => this.rows.leftOut.has(name),
      sort: () => this.query.sort,
      seen: (first, last) => {
        if (this.view.isAtTop && this.above.peek() !== 0) this.above.value = 0;
        this.rows.need(first, last);
      },
      edit: (index, column, text) => this.edit(index, column, text),
      open: (index) => this.open(index),
      select: (index, how) => this.#select(index, how),
      sortBy: (name, add) =>
        go(paths.table(this.app, this.table.name, withSort(this.query.search, nextSort(this.query.sort, name, add)))),
      menu: (name, anchor) => {
        this.menu.value = { name, anchor };
      },
      resized: (name, width) =>
        this.setLayout({ ...this.layout.value, widths: { ...this.layout.value.widths, [name]: width } }),
      key: (event) => handleGridKey(this, event),
    };
  }

  #select(index: number, how: 'toggle' | 'range'): void {
    const next = new Map(this.selection.value);
    const from = how === 'range' ? (this.#lastSelected ?? index) : index;
    for (let at = Math.min(from, index); at <= Math.max(from, index); at++) {
      const row = this.rows.row(at);
      if (row === undefined) continue;
      if (how === 'toggle' && next.has(row.id)) next.delete(row.id);
      else next.set(row.id, row);
    }
    this.#lastSelected = index;
    this.select(next);
  }
}
