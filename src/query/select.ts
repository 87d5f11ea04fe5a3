import { suggest } from '../config/files/suggest.ts';
import type { FieldPlan, RelationPlan, TablePlan } from '../schema/plan.ts';
import type { Filter } from './syntax/ast.ts';
import { fieldNamed } from './syntax/fields.ts';
import { columnOf, makeQueryError, show } from './syntax/problem.ts';
import { type ConditionalField, nameableRelation, type ReadPolicy, readableFields } from './view.ts';

/** Selected part of a record: fields in schema order, then records of other tables. */
export interface Select {
  readonly fields: readonly FieldPlan[];
  readonly relations: readonly SelectedRelation[];
  /** Selected fields that are readable in some records only. */
  readonly masked?: readonly ConditionalField[];
}

export interface SelectedRelation {
  readonly relation: RelationPlan;
  readonly select: Select;
  /** Filter of the related records that are readable. */
  readonly filter?: Filter;
}

/** Levels of nested relations: each costs a look-up per record of the level above. */
const MAX_SELECT_LEVELS = 4;
/** Relations over all levels, so that one URL cannot read the whole store. */
const MAX_RELATIONS = 16;
const NAME = /[^,{}]*/y;

/** Parses the decoded text of `select=`: `name,author{name}`, `*` for all fields. Throws INVALID_QUERY. */
export function parseSelect(text: string, table: TablePlan, view?: ReadPolicy): Select {
  const parser = new SelectParser(text, view);
  const { fields, relations } = parser.parse(table, 1);
  parser.expectEnd();
  // The key is always included: clients that keep records must be able to tell them apart.
  const named = new Set([...fields, table.primaryKey]);
  return freeze(
    table,
    { fields: table.fields.filter((field) => named.has(field)), relations: Object.freeze(relations) },
    view,
  );
}

/** Returns all readable fields of a table, and no relations. */
export function wholeOf(table: TablePlan, view: ReadPolicy | undefined): Select {
  return freeze(table, { fields: readableFields(table, view), relations: [] }, view);
}

function freeze(table: TablePlan, { fields, relations }: Select, view: ReadPolicy | undefined): Select {
  const masked = view?.of(table)?.masked.filter(({ field }) => fields.includes(field)) ?? [];
  const select = { fields: Object.freeze(fields), relations: Object.freeze(relations) };
  return Object.freeze(masked.length === 0 ? select : { ...select, masked: Object.freeze(masked) });
}

class SelectParser {
  readonly #text: string;
  #position = 0;
  readonly #view: ReadPolicy | undefined;
  #relations = 0;

  constructor(text: string, view: ReadPolicy | undefined) {
    this.#text = text;
    this.#view = view;
  }

  parse(table: TablePlan, depth: number): Select {
    const fields = new Set<FieldPlan>();
    const relations = new Map<RelationPlan, SelectedRelation>();
    // Each name at most once, so their number is bounded by the table.
    const seen = new Set<string>();
    do {
      const start = this.#position;
      const name = this.#readName();
      if (seen.has(name)) throw this.#error(`${name} is named twice`, start);
      seen.add(name);
      const relation = nameableRelation(table, name, this.#view);
      if (relation !== undefined) {
        relations.set(relation, this.#parseRelation(relation, depth, start));
      } else if (name === '*') {
        for (const field of readableFields(table, this.#view)) fields.add(field);
      } else {
        fields.add(this.#field(table, name, start));
      }
    } while (this.#accept(','));
    return freeze(
      table,
      {
        fields: table.fields.filter((field) => fields.has(field)),
        relations: table.relations.flatMap((relation) => relations.get(relation) ?? []),
      },
      this.#view,
    );
  }

  expectEnd(): void {
    if (this.#position < this.#text.length) {
      const found = show(this.#text.slice(this.#position, this.#position + 1));
      throw this.#error(`expected , or the end, found ${found}`, this.#position);
    }
  }

  #parseRelation(relation: RelationPlan, depth: number, start: number): SelectedRelation {
    const { target } = relation;
    this.#relations++;
    if (this.#relations > MAX_RELATIONS) throw this.#error(`at most ${MAX_RELATIONS} relations can be named`, start);
    if (depth > MAX_SELECT_LEVELS) throw this.#error(`relations nest at most ${MAX_SELECT_LEVELS} deep`, start);
    const select = this.#parseInner(target, depth);
    const filter = this.#view?.of(target)?.filter;
    return { relation, select, ...(filter === undefined ? {} : { filter }) };
  }

  #parseInner(target: TablePlan, depth: number): Select {
    if (!this.#accept('{')) return wholeOf(target, this.#view);
    const select = this.parse(target, depth + 1);
    if (!this.#accept('}')) throw this.#error('expected , or }', this.#position);
    return select;
  }

  #field(table: TablePlan, name: string, start: number): FieldPlan {
    const fields = readableFields(table, this.#view);
    const field = fieldNamed(fields, name);
    if (field !== undefined) {
      if (this.#text[this.#position] === '{') throw this.#error(`${name} is not a relation and takes no { }`, start);
      return field;
    }
    if (name === '') throw this.#error('expected a field', start);
    const meant = suggest(
      name,
      [...fields, ...table.relations].map((it) => it.name),
    );
    throw this.#error(`${table.name} has no field ${show(name)}${meant === undefined ? '' : `; ${meant}`}`, start);
  }

  #readName(): string {
    NAME.lastIndex = this.#position;
    const name = NAME.exec(this.#text)?.[0] ?? '';
    this.#position += name.length;
    return name;
  }

  #accept(character: string): boolean {
    if (this.#text[this.#position] !== character) return false;
    this.#position++;
    return true;
  }

  #error(message: string, position: number): Error {
    return makeQueryError('select', `column ${columnOf(this.#text, position)}: ${message}`);
  }
}
