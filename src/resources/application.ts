import type { Access } from '../auth/policy/access.ts';
import type { RoomAccess } from '../auth/rooms/access.ts';
import type { Feed } from '../events/feed.ts';
import type { Hub } from '../hub/hub.ts';
import type { Plan } from '../schema/plan.ts';
import type { ServerMessages } from '../store/server-messages.ts';
import type { StorageHealth } from '../store/storage-health.ts';
import type { LogReader, RecordReader, RelatedReader } from '../store/store.ts';
import type { WriteQueue } from '../store/write-queue.ts';
import type { AuditTrail } from './audit/trail.ts';
import type { TableResource } from './table/resource.ts';
import type { TableStreams } from './table/streams.ts';
import type { Transactions } from './transactions/transactions.ts';

/** Running application: its store, its hub, and a resource per exported table. */
export interface Application {
  readonly plan: Plan;
  /** Resources by export name. */
  readonly resources: ReadonlyMap<string, TableResource>;
  readonly transactions: Transactions;
  /** Short hash of the plan. */
  readonly planTag: string;
  readonly access: Access;
  /** Undefined where config.yaml has no rules of rooms: all that may connect may do everything. */
  readonly roomAccess: RoomAccess | undefined;
  readonly hub: Hub;
  readonly commits: WriteQueue;
  /** Open subscriptions of the application's own code. */
  readonly streams: TableStreams;
  readonly feed: Feed;
  readonly log: LogReader;
  readonly records: RecordReader & RelatedReader;
  /** Messages between the rooms of several servers; undefined where each server has rooms of its own. */
  readonly messages: ServerMessages | undefined;
  /** Connection to NATS; undefined where the database carries what servers tell each other. */
  readonly nats: { readonly isConnected: boolean } | undefined;
  readonly storage: StorageHealth;
  /** Undefined when no table has `@audit`. */
  readonly audit: AuditTrail | undefined;
  /** Finishes the waiting writes, and closes the store. */
  close(): Promise<void>;
}
