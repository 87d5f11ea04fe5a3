import type { RelatedCondition, RelatedTest } from '../../query/index.ts';
import type { FieldType, JsonValue, TablePlan } from '../../schema/plan.ts';
import type { Awaitable, Cell, RelatedReader } from '../store.ts';

/** Thrown by a test whose answer has to be waited for. */
class Unanswered extends Error {}

/**
 * Runs `use` with a test of the records that are related to those of `table`, which asks `reader`. Where an answer comes later, `use` is run again when it is
 * there: it must do nothing but decide.
 */
export function settleRelated<T>(
  reader: Pick<RelatedReader, 'isRelated'>,
  table: TablePlan,
  use: (related: RelatedTest) => T,
): Awaitable<T> {
  // By the key that the relation starts at: `use` may parse its records again each time.
  const answers = new Map<RelatedCondition, Map<string, boolean>>();
  let waiting: Promise<void> | undefined;
  const test: RelatedTest = (condition, record) => {
    const start = JSON.stringify(record[(condition.relation.from ?? table.primaryKey).name] ?? null);
    const known = answers.get(condition)?.get(start);
    if (known !== undefined) return known;
    const answer = reader.isRelated(table, condition, record);
    if (typeof answer === 'boolean') return answer;
    waiting = answer.then((value) => {
      const byStart = answers.get(condition) ?? new Map<string, boolean>();
      answers.set(condition, byStart.set(start, value));
    });
    throw new Unanswered();
  };
  const run = (): Awaitable<T> => {
    try {
      return use(test);
    } catch (error) {
      if (!(error instanceof Unanswered) || waiting === undefined) throw error;
      return waiting.then(run);
    }
  };
  return run();
}

/** Returns the stored form of a key, or of a list of keys. */
export function toKeyCell(value: JsonValue, type: FieldType): Cell {
  if (type.kind === 'list') return value === null ? null : JSON.stringify(value);
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return null;
  return type.kind === 'scalar' && type.name === 'Long' ? BigInt(value) : value;
}
