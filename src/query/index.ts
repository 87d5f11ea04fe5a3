export type { Comparison, Condition, FieldPath, Filter, Scalar, TextOp } from './ast.ts';
export { compareText } from './compare.ts';
export { compileListSql, LIST_PARAMETERS, type ListQuery, parseListQuery, type SortKey } from './list-query.ts';
export { type FilterScope, type ParsedQuery, parseFilter, parseQuery } from './parse.ts';
export { compilePredicate, type JsonRecord, type Predicate } from './predicate.ts';
export { compileFilterSql, type Sql, type SqlValue } from './sql.ts';
