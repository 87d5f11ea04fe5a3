import { suggest } from '../config/files/suggest.ts';
import type { TablePlan } from '../schema/plan.ts';
import type { SortKey } from './list-query.ts';
import { mapByName } from './syntax/fields.ts';
import { nameType } from './syntax/literal.ts';
import { columnOf, makeQueryError, show } from './syntax/problem.ts';
import { nameableFields, type ReadPolicy } from './view.ts';

const UNSORTED: readonly SortKey[] = Object.freeze([]);

/** Parses `a,-b`; each field at most once, so their number is bounded by the table. */
export function parseSort(
  text: string | undefined,
  table: TablePlan,
  view: ReadPolicy | undefined,
): readonly SortKey[] {
  if (text === undefined) return UNSORTED;
  const byName = mapByName(nameableFields(table, view));
  const seen = new Set<string>();
  let position = 0;
  const keys = text.split(',', table.fields.length + 1).map((item): SortKey => {
    const column = columnOf(text, position);
    position += item.length + 1;
    const fail = (message: string) => makeQueryError('sort', `column ${column}: ${message}`);
    // A plus arrives as a space when it was not encoded.
    const sign = /^[-+ ]/.test(item) ? item.charAt(0) : '';
    const name = item.slice(sign.length);
    const field = byName.get(name);
    if (name === '') throw fail('expected a field');
    if (field === undefined) {
      const meant = suggest(name, byName.keys());
      throw fail(`${table.name} has no field ${show(name)}${meant === undefined ? '' : `; ${meant}`}`);
    }
    if (seen.has(name)) throw fail(`${name} is named twice`);
    seen.add(name);
    const { type } = field;
    if (type.kind === 'list' || type.kind === 'object' || (type.kind === 'scalar' && type.name === 'JSON')) {
      throw fail(`${field.name} is ${nameType(type)}, which has no order`);
    }
    return { field, descending: sign === '-' };
  });
  return Object.freeze(keys);
}
