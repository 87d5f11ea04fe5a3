import type { Access } from '../../auth/policy/access.ts';
import type { Limits } from '../../config/config.ts';
import type { Hub } from '../../hub/hub.ts';
import type {
  IdempotencyKey,
  LogReader,
  Precondition,
  RecordReader,
  RelatedReader,
  StoredRecord,
} from '../../store/store.ts';
import type { WriteQueue } from '../../store/write-queue.ts';
import type { PageCache } from '../cache/page-cache.ts';
import type { TableStreams } from './streams.ts';

export interface ResourceContext {
  readonly access: Access;
  readonly store: RecordReader & RelatedReader & LogReader;
  readonly commits: WriteQueue;
  readonly hub: Hub;
  readonly limits: Limits;
  /** Of all tables of the application. */
  readonly pages: PageCache;
  /** The open subscriptions of code, of all tables. */
  readonly streams?: TableStreams;
}

/** A record as it was asked for. */
export interface FoundRecord extends StoredRecord {
  /** It shows records of other tables, and may be another one though its seq is the same. */
  readonly isShared?: boolean;
}

/** How a message was published: its seq, and for how many subscriptions it was. */
export interface Published {
  readonly seq: number;
  readonly delivered: number;
  readonly replayed?: boolean;
}

/** A member of a table's records. */
export interface Column {
  readonly name: string;
  /** Its values have parts, or are of no certain type. */
  readonly isJson: boolean;
}

/** What has been asked of a table since the start, for the metrics. */
export interface Counters {
  reads: number;
  /** Lists that were given again from memory. */
  cached: number;
  writes: number;
  /** WebSocket messages that were done. */
  messages: number;
  refused: number;
}

/** What a write depends on besides its record. */
export interface WriteOptions {
  readonly precondition?: Precondition;
  /** Sent again, the write is answered as the first time and not made again. */
  readonly once?: IdempotencyKey;
}
