import type { TablePlan } from '../../schema/plan.ts';
import { type OperationContext, OperationMaker } from '../operation-maker.ts';
import { idParameter } from '../parameters.ts';
import type { Part } from '../schemas/schemas.ts';
import { collectionItem } from './collection.ts';
import { recordItem } from './record.ts';

/**
 * Describes the paths of a table and of its records, with the operations that at least some callers may use. A path without
 * operations is left out.
 */
export function tablePaths(table: TablePlan, context: OperationContext): readonly (readonly [string, Part])[] {
  const path = `/${table.exportName}`;
  const make = new OperationMaker(table, context);
  const collection = collectionItem(make);
  const record = recordItem(make);
  return [
    ...(isEmpty(collection) ? [] : [[path, collection] as const]),
    ...(isEmpty(record)
      ? []
      : [[`${path}/{id}`, { parameters: [idParameter(table, context.limits.id)], ...record }] as const]),
  ];
}

function isEmpty(item: Part): boolean {
  return Object.keys(item).length === 0;
}
