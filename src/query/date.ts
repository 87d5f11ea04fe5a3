export { parseDate } from '../schema/date.ts';
