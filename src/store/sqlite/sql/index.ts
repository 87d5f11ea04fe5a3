export { compileAggregateSql, UNITS_FUNCTION } from './aggregate.ts';
export {
  compileFilterSql,
  compileRelatedTestSql,
  type Sql,
  type SqlValue,
  WORD_TEXT_FUNCTION,
  WORDS_FUNCTION,
} from './condition.ts';
export { CLEAN_JSON_FUNCTION, compileRelatedSql, NUMBER_FUNCTION } from './json.ts';
export {
  compileCountSql,
  compileListSql,
  compilePositionSql,
  compileRecordsBySql,
  compileRecordsSql,
  compileSortedListSql,
} from './list.ts';
export type { SqlNames } from './table-names.ts';
