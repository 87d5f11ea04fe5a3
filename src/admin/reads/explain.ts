import type { FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { Filter, ListQuery } from '../../query/index.ts';
import type { FieldPlan, TablePlan } from '../../schema/plan.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import type { AdminApp } from '../admin-hooks.ts';
import { publicName } from '../parameters.ts';

/**
 * Answers how the database finds the records of a list, and what it costs: the address is that of the list, below
 * `explain/`. Throws as the list, but not SCAN_TOO_LARGE, which is the answer then.
 */
export async function explainQuery(request: FastifyRequest, { application }: AdminApp): Promise<object> {
  const { table: name } = request.params as { readonly table: string };
  const resource = application.resources.get(name);
  if (resource === undefined)
    throw new AppError('NOT_FOUND', `There is no table ${JSON.stringify(name.slice(0, 60))}.`);
  const query = resource.parseList(identityOf(request), queryOf(request));
  if (query.aggregate !== undefined) throw new AppError('INVALID_QUERY', 'aggregate: only lists are explained.');
  const { table } = resource;
  const plan = await application.records.explain?.(table, query);
  if (plan === undefined) throw new AppError('NOT_FOUND', 'The store of this application does not explain queries.');
  const read = await readTimed(application.records, table, query);
  return { table: publicName(table), ...plan, ...read, advice: plan.scans ? adviseIndex(table, query) : null };
}

async function readTimed(records: AdminApp['application']['records'], table: TablePlan, query: ListQuery) {
  const started = performance.now();
  const took = () => Math.round((performance.now() - started) * 1000) / 1000;
  try {
    const { json } = await records.list(table, query);
    return { returned: (JSON.parse(json) as unknown[]).length, ms: took(), refused: null };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'SCAN_TOO_LARGE') throw error;
    return { returned: 0, ms: took(), refused: error.message };
  }
}

/** Returns the directive with which an index finds the records; null where no index can. */
function adviseIndex(table: TablePlan, { filter, sort }: ListQuery): string | null {
  const fields = new Set([...comparedFields(filter), ...sort.map(({ field }) => field)]);
  const names = [...fields].filter((field) => field.type.kind !== 'list' && table.fields.includes(field));
  const [first] = names;
  if (first === undefined) return null;
  if (names.length > 1) {
    return `@compositeIndex(fields: [${names.map(({ name }) => JSON.stringify(name)).join(', ')}]) on ${table.name}`;
  }
  return first.indexed || first.unique ? null : `@indexed on ${table.name}.${first.name}`;
}

/** Returns the fields of the conditions that all have to hold: those that are compared with one value come first. */
function comparedFields(filter: Filter | undefined): readonly FieldPlan[] {
  const items = filter === undefined ? [] : filter.type === 'and' ? filter.items : [filter];
  const found = items.flatMap((item) =>
    'path' in item && item.path.fields.length === 1 && item.type !== 'words' && item.type !== 'pattern'
      ? [{ field: item.path.fields[0], isEqual: item.type === 'compare' && item.op === 'eq' }]
      : [],
  );
  return [...found.filter(({ isEqual }) => isEqual), ...found.filter(({ isEqual }) => !isEqual)].map(
    ({ field }) => field,
  );
}
