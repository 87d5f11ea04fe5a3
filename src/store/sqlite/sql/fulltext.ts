import type { Database, Statement } from 'better-sqlite3';
import { stringsOf, wordText } from '../../../query/index.ts';
import type { FieldPlan, Plan, TablePlan } from '../../../schema/plan.ts';
import type { Cell, RecordKey } from '../../store.ts';
import { WORD_TEXT_FUNCTION } from './condition.ts';
import { fulltextNames, quote, recordsName, type StoredTableName } from './table-names.ts';

/**
 * Version of the word splitter, which is stored with each index. Node's Unicode tables define letters: with another
 * version the same text may have other words.
 */
const WORDS_VERSION = `1, Unicode ${process.versions.unicode}`;

/** Updates the full-text index of one field, in the open transaction. */
export class FulltextIndex {
  readonly #isList: boolean;
  readonly #find: Statement;
  readonly #addKey: Statement;
  readonly #removeKey: Statement;
  readonly #addWords: Statement;
  readonly #removeWords: Statement;

  constructor(db: Database, table: TablePlan, field: FieldPlan) {
    const { words, docs } = fulltextNames(table, field);
    this.#isList = field.type.kind === 'list';
    this.#find = db.prepare(`SELECT doc FROM ${docs} WHERE key = ?`).pluck();
    this.#addKey = db.prepare(`INSERT INTO ${docs} (key) VALUES (?)`);
    this.#removeKey = db.prepare(`DELETE FROM ${docs} WHERE doc = ?`);
    this.#addWords = db.prepare(`INSERT INTO ${words} (rowid, words) VALUES (?, ?)`);
    this.#removeWords = db.prepare(`DELETE FROM ${words} WHERE rowid = ?`);
  }

  insert(key: RecordKey, cell: Cell): void {
    const text = typeof cell === 'string' ? wordText(stringsOf(cell, this.#isList)) : '';
    if (text !== '') this.#addWords.run(this.#addKey.run(key).lastInsertRowid, text);
  }

  delete(key: RecordKey): void {
    const doc = this.#find.get(key);
    if (doc === undefined) return;
    this.#removeWords.run(doc);
    this.#removeKey.run(doc);
  }
}

/** Creates the index of a stored field with the words of every record, and replaces an older one. */
export function createFulltext(db: Database, table: TablePlan, field: FieldPlan): void {
  dropFulltext(db, table, field);
  const { words, docs } = fulltextNames(table, field);
  const key = quote(table.primaryKey.name);
  const text = `${WORD_TEXT_FUNCTION}(${quote(field.name)}, ${field.type.kind === 'list' ? 1 : 0})`;
  const isNumber = table.primaryKey.type.kind === 'scalar' && /^(Int|Long)$/.test(table.primaryKey.type.name);
  db.exec(
    `CREATE TABLE ${docs} (doc INTEGER PRIMARY KEY, key ${isNumber ? 'INTEGER' : 'TEXT'} NOT NULL UNIQUE) STRICT`,
  );
  // The text has only letters, digits and spaces: this tokenizer splits it at the spaces and changes nothing.
  const options = "content='', contentless_delete=1, detail=none, tokenize='ascii'";
  db.exec(`CREATE VIRTUAL TABLE ${words} USING fts5(words, ${options})`);
  db.exec(`INSERT INTO ${docs} (key) SELECT ${key} FROM ${recordsName(table)} WHERE ${text} <> ''`);
  const source = `${docs} AS d CROSS JOIN ${recordsName(table)} AS t ON t.${key} = d.key`;
  db.exec(`INSERT INTO ${words} (rowid, words) SELECT d.doc, ${text} FROM ${source}`);
  db.prepare('INSERT OR REPLACE INTO tablecast_meta VALUES (?, ?)').run(versionKey(table, field), WORDS_VERSION);
}

interface FulltextName {
  readonly table: StoredTableName;
  readonly field: { readonly name: string };
}

/** Renames an index whose table or field has another name; its words stay. */
export function renameFulltext(db: Database, from: FulltextName, to: FulltextName): void {
  const key = versionKey(to.table, to.field);
  if (key === versionKey(from.table, from.field)) return;
  const before = fulltextNames(from.table, from.field);
  const now = fulltextNames(to.table, to.field);
  db.exec(`ALTER TABLE ${before.words} RENAME TO ${now.words}`);
  db.exec(`ALTER TABLE ${before.docs} RENAME TO ${now.docs}`);
  db.prepare('UPDATE tablecast_meta SET key = ? WHERE key = ?').run(key, versionKey(from.table, from.field));
}

export function dropFulltext(db: Database, table: StoredTableName, field: { readonly name: string }): void {
  const { words, docs } = fulltextNames(table, field);
  db.exec(`DROP TABLE IF EXISTS ${words}`);
  db.exec(`DROP TABLE IF EXISTS ${docs}`);
  db.prepare('DELETE FROM tablecast_meta WHERE key = ?').run(versionKey(table, field));
}

/** Returns the existing indexes that were made with another version of the word splitter. */
export function staleFulltext(db: Database, plan: Plan): { readonly table: TablePlan; readonly field: FieldPlan }[] {
  const version = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck();
  const indexed = plan.tables.flatMap((table) =>
    table.fields.filter(({ fulltext }) => fulltext).map((field) => ({ table, field })),
  );
  return indexed.filter(({ table, field }) => {
    const stored = version.get(versionKey(table, field));
    return stored !== undefined && stored !== WORDS_VERSION;
  });
}

/** Returns the key of the index's version, in lower case: stored names are compared without case, keys are not. */
function versionKey({ database, table }: StoredTableName, { name }: { readonly name: string }): string {
  return `words:${database}/${table}.${name}`.toLowerCase();
}
