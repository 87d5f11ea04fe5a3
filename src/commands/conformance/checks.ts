import { CONNECTING } from './rules/connecting.ts';
import { ROOMS } from './rules/rooms.ts';
import type { ConformanceRule } from './rules/rule.ts';
import { SUBSCRIPTIONS } from './rules/subscriptions.ts';
import { TRANSACTIONS } from './rules/transactions.ts';
import { WRITES } from './rules/writes.ts';

/** All rules, in the order in which they are checked. */
export const RULES: readonly ConformanceRule[] = [
  ...CONNECTING,
  ...SUBSCRIPTIONS,
  ...WRITES,
  ...TRANSACTIONS,
  ...ROOMS,
];
