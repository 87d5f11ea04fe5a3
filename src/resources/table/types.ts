import type { Access } from '../../auth/policy/access.ts';
import type { Limits } from '../../config/config.ts';
import type { Hub } from '../../hub/hub.ts';
import type { Precondition, Write } from '../../store/rows/write.ts';
import type {
  IdempotencyKey,
  LogReader,
  RecordKey,
  RecordReader,
  RelatedReader,
  StoredRecord,
} from '../../store/store.ts';
import type { WriteQueue } from '../../store/write-queue.ts';
import type { PageCache } from '../read-caches.ts';
import type { TableStreams } from './streams.ts';

export interface ResourceContext {
  readonly access: Access;
  readonly store: RecordReader & RelatedReader & LogReader;
  readonly commits: WriteQueue;
  readonly hub: Hub;
  readonly limits: Limits;
  /** Cache of all tables of the application. */
  readonly pages: PageCache;
  /** Open subscriptions of code, of all tables. */
  readonly streams?: TableStreams;
}

/** Record in the form that the query asks for. */
export interface FoundRecord extends StoredRecord {
  /** True when it includes records of other tables, so that it may differ though its seq is the same. */
  readonly isShared?: boolean;
}

/** Result of a publish: its seq, and the number of subscriptions that receive it. */
export interface Published {
  readonly seq: number;
  readonly delivered: number;
  readonly replayed?: boolean;
}

/** Member of a table's records. */
export interface Column {
  readonly name: string;
  /** True when its values are JSON text in a cell: lists, objects and JSON. */
  readonly isJson: boolean;
}

/** Requests to a table since the start, for the metrics. */
export interface Counters {
  reads: number;
  /** Lists that came from memory. */
  cached: number;
  writes: number;
  /** WebSocket messages that were handled. */
  messages: number;
  refused: number;
}

/** Kinds of steps of a transaction, each about one record or message. */
export const STEP_OPS = ['create', 'put', 'patch', 'delete', 'publish', 'check'] as const;
export type StepOp = (typeof STEP_OPS)[number];

/** Step of a transaction that is about one table. */
export interface RecordStep {
  readonly op: StepOp;
  readonly id: RecordKey | undefined;
  readonly data: unknown;
  readonly precondition: Precondition | undefined;
  /** True when an earlier step of the transaction writes the same record. */
  readonly isRepeated?: boolean;
  /** True when the answer is stored: hooks are not asked again. */
  readonly isKept?: boolean;
}

/** Write of a step. */
export interface PreparedStep {
  readonly write: Write;
  /** True when the write depends on a read: when its condition fails, the step is prepared again. */
  readonly isRetried?: boolean;
}

/** Options of a write besides its record. */
export interface WriteOptions {
  readonly precondition?: Precondition;
  /** Key of a request that may be repeated: it is answered as the first time and not written again. */
  readonly once?: IdempotencyKey;
}
