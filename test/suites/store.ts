import { auditSuite } from './store/audit.ts';
import { computedSuite } from './store/computed.ts';
import { expirySuite } from './store/expiry.ts';
import { filtersSuite } from './store/filters.ts';
import { groupsSuite } from './store/groups.ts';
import type { EngineUnderTest } from './store/harness.ts';
import { idempotencySuite } from './store/idempotency.ts';
import { listsSuite } from './store/lists.ts';
import { logSuite } from './store/log.ts';
import { positionsSuite } from './store/positions.ts';
import { referencesSuite } from './store/references.ts';
import { relationsSuite } from './store/relations.ts';
import { reopeningSuite } from './store/reopening.ts';
import { rulesSuite } from './store/rules.ts';
import { snapshotSuite } from './store/snapshot.ts';
import { transactionsSuite } from './store/transactions.ts';
import { trimSuite } from './store/trim.ts';
import { valuesSuite } from './store/values.ts';
import { writesSuite } from './store/writes.ts';

/** Everything that the store of an engine must do, whatever it keeps its records in. Call it inside of a `describe`. */
export function storeSuite(subject: EngineUnderTest): void {
  valuesSuite(subject);
  writesSuite(subject);
  groupsSuite(subject);
  transactionsSuite(subject);
  computedSuite(subject);
  rulesSuite(subject);
  logSuite(subject);
  positionsSuite(subject);
  trimSuite(subject);
  idempotencySuite(subject);
  expirySuite(subject);
  auditSuite(subject);
  listsSuite(subject);
  filtersSuite(subject);
  relationsSuite(subject);
  referencesSuite(subject);
  reopeningSuite(subject);
  snapshotSuite(subject);
}
