export type { Comparison, Condition, FieldPath, Filter, Scalar, TextOp } from './ast.ts';
export { bindRule, type RuleInput } from './bind-rule.ts';
export { compareText } from './compare.ts';
export { formatCursor, isShownExactly, totalOrder } from './cursor.ts';
export { visibleFields } from './fields.ts';
export { compileRelatedSql, NUMBER_FUNCTION } from './json-sql.ts';
export {
  LIST_PARAMETERS,
  type ListQuery,
  parseListQuery,
  parseQueryFor,
  relatedTables,
  restrictFilter,
  type SortKey,
} from './list-query.ts';
export {
  compileCountSql,
  compileListSql,
  compilePositionSql,
  compileRecordsSql,
  compileSortedListSql,
} from './list-sql.ts';
export type { SqlNames } from './names.ts';
export type { FilterLimits } from './operators.ts';
export { type FilterScope, type ParsedQuery, parseFilter, parseQuery } from './parse.ts';
export { compilePredicate, type JsonRecord, type Predicate, predicateOf } from './predicate.ts';
export { checkEncoded, makeQueryError } from './problem.ts';
export { AUTHENTICATED, type ClaimPath, inputsOf, parseRule, type Rule } from './rule.ts';
export type { Select, SelectedRelation } from './select.ts';
export { compileFilterSql, type Sql, type SqlValue, WORD_TEXT_FUNCTION, WORDS_FUNCTION } from './sql.ts';
export { both, type MaskedField, nameableFields, shownFields, type TableView, type View } from './view.ts';
export { haveWords, textsOf, type Word, wordsOf, wordText } from './words.ts';
