import { suggest } from '../config/suggest.ts';
import type { FieldPlan, RelationPlan, TablePlan } from '../schema/plan.ts';
import { fieldsByName, relationNamed, visibleFields } from './fields.ts';
import { columnOf, makeQueryError, show } from './problem.ts';

/** What of a record is wanted: fields in schema order, then records of other tables. */
export interface Select {
  readonly fields: readonly FieldPlan[];
  readonly relations: readonly SelectedRelation[];
}

export interface SelectedRelation {
  readonly relation: RelationPlan;
  readonly select: Select;
}

/** A relation of a relation of a … costs a look-up per record of each level. */
const DEEPEST = 4;
/** Over all levels, so that one URL cannot ask for the whole store. */
const MOST_RELATIONS = 16;
const NAME = /[^,{}]*/y;

/** Parses the decoded text of `select=`: `name,author{name}`, `*` for all fields. Throws INVALID_QUERY. */
export function parseSelect(text: string, table: TablePlan): Select {
  const parser = new SelectParser(text);
  const { fields, relations } = parser.parse(table, 1);
  parser.expectEnd();
  // A record that cannot be told from another is of no use to whoever keeps them.
  const named = new Set([...fields, table.primaryKey]);
  return Object.freeze({
    fields: Object.freeze(table.fields.filter((field) => named.has(field))),
    relations: Object.freeze(relations),
  });
}

class SelectParser {
  readonly #text: string;
  #position = 0;
  #relations = 0;

  constructor(text: string) {
    this.#text = text;
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
      const relation = relationNamed(table, name);
      if (relation !== undefined) {
        relations.set(relation, { relation, select: this.#parseRelation(relation, depth, start) });
      } else if (name === '*') {
        for (const field of visibleFields(table)) fields.add(field);
      } else {
        fields.add(this.#field(table, name, start));
      }
    } while (this.#accept(','));
    return {
      fields: table.fields.filter((field) => fields.has(field)),
      relations: table.relations.flatMap((relation) => relations.get(relation) ?? []),
    };
  }

  expectEnd(): void {
    if (this.#position < this.#text.length) {
      const found = show(this.#text.slice(this.#position, this.#position + 1));
      throw this.#error(`expected , or the end, found ${found}`, this.#position);
    }
  }

  #parseRelation({ target }: RelationPlan, depth: number, start: number): Select {
    this.#relations++;
    if (this.#relations > MOST_RELATIONS) throw this.#error(`at most ${MOST_RELATIONS} relations can be named`, start);
    if (depth > DEEPEST) throw this.#error(`relations nest at most ${DEEPEST} deep`, start);
    if (!this.#accept('{')) return { fields: visibleFields(target), relations: [] };
    const select = this.parse(target, depth + 1);
    if (!this.#accept('}')) throw this.#error('expected , or }', this.#position);
    return select;
  }

  #field(table: TablePlan, name: string, start: number): FieldPlan {
    const fields = visibleFields(table);
    const field = fieldsByName(fields).get(name);
    if (field !== undefined) {
      if (this.#text[this.#position] === '{') throw this.#error(`${name} is no relation: it has no { }`, start);
      return field;
    }
    if (name === '') throw this.#error('expected a field', start);
    const meant = suggest(name, [...fieldsByName(fields).keys(), ...table.relations.map((it) => it.name)]);
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
