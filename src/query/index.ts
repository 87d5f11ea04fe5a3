export {
  type AggregateColumn,
  type AggregateQuery,
  countOf,
  sumsWhole,
  type TotalledField,
} from './aggregate/aggregate.ts';
export { toUnits } from './aggregate/exact.ts';
export { type FieldTotals, type GroupTotals, listResults, noTotals, resultOf } from './aggregate/totals.ts';
export { compareText } from './compare.ts';
export { formatCursor, isShownExactly, type Position, type SortValue, totalOrder } from './cursor.ts';
export {
  LIST_PARAMETERS,
  type ListQuery,
  parseListQuery,
  parseQueryFor,
  type QueryPlan,
  restrictFilter,
  type SortKey,
} from './list-query.ts';
export { comparePositions, compareSortValues, positionReader } from './order.ts';
export {
  compilePredicate,
  type JsonRecord,
  type Predicate,
  type RelatedCondition,
  type RelatedTest,
} from './predicate.ts';
export { bindRule, type RuleInput, readClaim } from './rules/bind-rule.ts';
export {
  AUTHENTICATED,
  type ClaimPath,
  inputsOf,
  parseRule,
  parseRuleOf,
  ROOM_CLAIM,
  type Rule,
} from './rules/rule.ts';
export type { Select, SelectedRelation } from './select.ts';
export type { Comparison, Condition, FieldPath, Filter, Scalar, TextOp } from './syntax/ast.ts';
export type { FilterLimits } from './syntax/operators.ts';
export { type FilterScope, type ParsedQuery, parseFilter, parseQuery } from './syntax/parse.ts';
export { checkEncoded, makeQueryError } from './syntax/problem.ts';
export { dependenciesOf, NO_TABLES, readsOtherTables, relatedTables } from './tables-of.ts';
export {
  both,
  type ConditionalField,
  nameableFields,
  type ReadPolicy,
  type TableView,
} from './view.ts';
export { haveWords, stringsOf, type Word, wordsOf, wordText } from './words.ts';
