import type { Database, Statement } from 'better-sqlite3';
import { textsOf, wordText } from '../../../query/index.ts';
import type { FieldPlan, Plan, TablePlan } from '../../../schema/plan.ts';
import type { Cell, RecordKey } from '../../store.ts';
import { WORD_TEXT_FUNCTION } from './condition.ts';
import { fulltextNames, quote, recordsName, type StoredTableName } from './table-names.ts';

/**
 * By what the words were made that are in the indexes. Node's Unicode tables say what a letter is: with other ones the
 * same text may have other words.
 */
const WORDS_VERSION = `1, Unicode ${process.versions.unicode}`;

/** Keeps the full-text index of one field, in the transaction that is open. */
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
    const text = typeof cell === 'string' ? wordText(textsOf(cell, this.#isList)) : '';
    if (text !== '') this.#addWords.run(this.#addKey.run(key).lastInsertRowid, text);
  }

  delete(key: RecordKey): void {
    const doc = this.#find.get(key);
    if (doc === undefined) return;
    this.#removeWords.run(doc);
    this.#removeKey.run(doc);
  }
}

/** Makes the index of a field that is stored, with the words of every record. What is there of an older one goes. */
export function createFulltext(db: Database, table: TablePlan, field: FieldPlan): void {
  dropFulltext(db, table, field);
  const { words, docs } = fulltextNames(table, field);
  const key = quote(table.primaryKey.name);
  const text = `${WORD_TEXT_FUNCTION}(${quote(field.name)}, ${field.type.kind === 'list' ? 1 : 0})`;
  const isNumber = table.primaryKey.type.kind === 'scalar' && /^(Int|Long)$/.test(table.primaryKey.type.name);
  db.exec(
    `CREATE TABLE ${docs} (doc INTEGER PRIMARY KEY, key ${isNumber ? 'INTEGER' : 'TEXT'} NOT NULL UNIQUE) STRICT`,
  );
  // The text has letters and digits only, and nothing that this tokenizer would change or cut but at its spaces.
  const options = "content='', contentless_delete=1, detail=none, tokenize='ascii'";
  db.exec(`CREATE VIRTUAL TABLE ${words} USING fts5(words, ${options})`);
  db.exec(`INSERT INTO ${docs} (key) SELECT ${key} FROM ${recordsName(table)} WHERE ${text} <> ''`);
  const source = `${docs} AS d CROSS JOIN ${recordsName(table)} AS t ON t.${key} = d.key`;
  db.exec(`INSERT INTO ${words} (rowid, words) SELECT d.doc, ${text} FROM ${source}`);
  db.prepare('INSERT OR REPLACE INTO tablecast_meta VALUES (?, ?)').run(versionKey(table, field), WORDS_VERSION);
}

export function dropFulltext(db: Database, table: StoredTableName, field: { readonly name: string }): void {
  const { words, docs } = fulltextNames(table, field);
  db.exec(`DROP TABLE IF EXISTS ${words}`);
  db.exec(`DROP TABLE IF EXISTS ${docs}`);
  db.prepare('DELETE FROM tablecast_meta WHERE key = ?').run(versionKey(table, field));
}

/** The indexes that are there, but were made by another version than this. */
export function staleFulltext(db: Database, plan: Plan): { readonly table: TablePlan; readonly field: FieldPlan }[] {
  const version = db.prepare('SELECT value FROM tablecast_meta WHERE key = ?').pluck();
  const indexed = plan.tables.flatMap((table) =>
    table.fields.filter(({ fulltext }) => fulltext).map((field) => ({ table, field })),
  );
  return indexed.filter(({ table, field }) => {
    const made = version.get(versionKey(table, field));
    return made !== undefined && made !== WORDS_VERSION;
  });
}

/** Stored names are compared without case, keys are not. */
function versionKey({ database, table }: StoredTableName, { name }: { readonly name: string }): string {
  return `words:${database}/${table}.${name}`.toLowerCase();
}
