import type { FilterLimits } from './operators.ts';
import type { QueryReader } from './reader.ts';

// The parser is recursive, once per level; the stack holds this many, whatever is configured.
const MAX_STACK_LEVELS = 200;

/** Combination of conditions by `&`, `|`, `!` and groups. */
type Combined<T> =
  | { readonly type: 'and' | 'or'; readonly items: readonly T[] }
  | { readonly type: 'not'; readonly item: T };

/** Parser of the syntax that filters and rules share: how conditions are combined. */
export abstract class TermParser<T extends { readonly type: string }> {
  readonly reader: QueryReader;
  protected readonly limits: FilterLimits;
  readonly #and: string;
  readonly #or: string;

  constructor(reader: QueryReader, limits: FilterLimits) {
    this.reader = reader;
    this.limits = limits;
    this.#and = reader.encoded ? '&' : '&;';
    this.#or = reader.encoded ? '|' : '|,';
  }

  /** Parses one condition, whose name has been read; it began at `start`. */
  abstract parseCondition(name: string, start: number): T;
  protected abstract combined(term: Combined<T>): T;

  parseOr(depth: number): T {
    const items: T[] = [];
    do items.push(this.#parseAnd(depth));
    while (this.#acceptOne(this.#or));
    return this.join('or', items);
  }

  parseTerm(depth: number): T {
    const { reader } = this;
    reader.skipSpace();
    const start = reader.position;
    if (reader.acceptNot()) return this.#negate(this.parseTerm(this.#deeper(depth, start)));
    const round = reader.accept('(');
    if (!round && !reader.accept('[')) return this.parseCondition(reader.readName(), start);
    const deeper = this.#deeper(depth, start);
    const term = reader.within(() => this.parseOr(deeper));
    reader.skipSpace();
    const closing = round ? ')' : ']';
    if (!reader.accept(closing)) {
      throw reader.error(
        `expected ${closing} for the ${round ? '(' : '['} at column ${reader.column(start)}, found ${reader.found()}`,
      );
    }
    return term;
  }

  join(type: 'and' | 'or', items: readonly T[]): T {
    const [only] = items;
    return items.length === 1 && only !== undefined ? only : this.combined({ type, items });
  }

  #negate(item: T): T {
    return item.type === 'not' ? (item as unknown as { item: T }).item : this.combined({ type: 'not', item });
  }

  #parseAnd(depth: number): T {
    const items: T[] = [];
    do items.push(this.parseTerm(depth));
    while (this.#acceptOne(this.#and));
    return this.join('and', items);
  }

  #acceptOne(characters: string): boolean {
    this.reader.skipSpace();
    if (this.reader.atEnd() || !characters.includes(this.reader.peek())) return false;
    this.reader.position++;
    return true;
  }

  #deeper(depth: number, start: number): number {
    const maxLevels = Math.min(this.limits.filterDepth, MAX_STACK_LEVELS);
    if (depth >= maxLevels) throw this.reader.error(`groups and ! nest at most ${maxLevels} deep`, start);
    return depth + 1;
  }
}
