import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import type { ListQuery } from '../../src/query/index.ts';
import type { Plan, TablePlan } from '../../src/schema/plan.ts';
import { openSqliteStore, type SqliteStore } from '../../src/store/sqlite/store.ts';
import type { Cell, RecordKey, StoreOptions } from '../../src/store/store.ts';
import { planOf } from '../schema/mistakes.ts';
import type { StoredContents } from '../suites/migration/harness.ts';
import { storeOptions } from '../support/engine.ts';

export interface OpenStore {
  readonly store: SqliteStore;
  readonly plan: Plan;
  readonly options: StoreOptions;
  /** Notices and warnings of opening it. */
  readonly notices: readonly string[];
  readonly warnings: readonly string[];
}

/** Data directory of a test, opened with one schema after another. */
export class StoreFolder {
  readonly dir: string;
  readonly file: string;
  #open: OpenStore | undefined;

  constructor(dir = mkdtempSync(join(tmpdir(), 'tablecast-store-'))) {
    this.dir = dir;
    this.file = join(dir, 'data.db');
    onTestFinished(() => {
      this.close();
      rmSync(dir, { recursive: true, force: true });
    });
  }

  /** Opens the store with the schema; closes it first when it is open. */
  open(sdl: string, options: Partial<StoreOptions> = {}): OpenStore {
    this.close();
    const plan = planOf(sdl);
    const notices: string[] = [];
    const warnings: string[] = [];
    const all = storeOptions(this.dir, {
      onNotice: (sentence) => notices.push(sentence),
      onWarning: (sentence) => warnings.push(sentence),
      ...options,
    });
    const store = openSqliteStore(plan, all);
    this.#open = { store, plan, options: all, notices, warnings };
    return this.#open;
  }

  close(): void {
    this.#open?.store.close();
    this.#open = undefined;
  }

  /** Closes the store and keeps a copy of it. */
  copy(): void {
    this.close();
    copyFileSync(this.file, join(this.dir, 'copy.db'));
  }

  /** Closes the store and puts the copy in its place. */
  putBack(): void {
    this.close();
    copyFileSync(join(this.dir, 'copy.db'), this.file);
  }

  /** Rows of a query on the closed store. */
  query(sql: string): Record<string, unknown>[] {
    this.close();
    return queryFile(this.file, sql);
  }

  /** Returns the content of the closed store: its tables and indexes as written, and every row of every table. */
  contents(): StoredContents {
    this.close();
    return fileContents(this.file);
  }
}

function queryFile(file: string, sql: string): Record<string, unknown>[] {
  const db = new Database(file, { readonly: true });
  try {
    return db.prepare(sql).all() as Record<string, unknown>[];
  } finally {
    db.close();
  }
}

/** Returns the tables and indexes of a database as they are written, and every row of every table. */
export function fileContents(file: string): StoredContents {
  // SQLite quotes the tables of a full-text index in another way after it has renamed them.
  const sql = "replace(sql, '''', '\"') AS sql";
  const objects = queryFile(
    file,
    `SELECT name, ${sql} FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND sql IS NOT NULL ORDER BY name`,
  );
  const tables = objects.filter(({ sql }) => String(sql).startsWith('CREATE TABLE'));
  return { objects, rows: tables.map(({ name }) => queryFile(file, `SELECT * FROM "${name}" ORDER BY 1`)) };
}

/** The only table of the plan. */
export function onlyTable({ plan }: Pick<OpenStore, 'plan'>): TablePlan {
  const [table] = plan.tables;
  if (table === undefined) throw new Error('the plan has no table');
  return table;
}

/** Stores records, given as cells in the order of the fields, the key first. */
export function insert(open: OpenStore, ...rows: readonly (readonly Cell[])[]): void {
  const table = onlyTable(open);
  const group = rows.map((cells) => ({ type: 'create', table, id: cells[0] as RecordKey, cells }) as const);
  const [result] = open.store.commit([group]).results;
  if (result instanceof Error) throw result;
}

/** Returns the JSON text of a list, which must not be long enough to be read in slices. */
export function listJson({ store }: OpenStore, table: TablePlan, query: ListQuery): string {
  const page = store.list(table, query);
  if (page instanceof Promise) throw new Error('the list is read in slices');
  return page.json;
}

/** Returns all records, parsed. */
export function records(open: OpenStore): unknown[] {
  return open.store.page(onlyTable(open), undefined, 1000).map(({ json }) => JSON.parse(json) as unknown);
}
