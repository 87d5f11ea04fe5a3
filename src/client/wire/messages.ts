import type { Problem } from '../error.ts';
import type { ChangeFrame, Frame } from '../live/frames.ts';

interface PageRecord {
  readonly id: string | number;
  readonly seq: string;
  readonly data: unknown;
}

/** Message of the server in protocol v1: PROTOCOL.md §7.3. The members depend on `type`. */
export interface WireMessage {
  readonly type: string;
  /** Ids of the subscriptions that the message is for. */
  readonly s?: readonly number[];
  readonly id?: string | number | null;
  readonly seq?: string;
  readonly time?: string;
  readonly op?: 'create' | 'update';
  readonly data?: unknown;
  readonly records?: readonly PageRecord[];
  readonly reason?: string;
  readonly record_seq?: string;
  readonly tx?: string;
  /** True when a `commit` of the transaction follows. */
  readonly open?: true;
  /** True when another message of the same change or transaction follows for the subscription. */
  readonly more?: true;
  readonly ref?: string | number;
  readonly key?: string | number | null;
  readonly replayed?: true;
  readonly problem?: Problem;
  /** Number of connections that a message to flows was sent to. */
  readonly delivered?: number;
  readonly room?: string;
  /** Users in a room. */
  readonly members?: readonly string[];
  readonly user_id?: string;
  readonly limits?: { readonly subscriptions?: number };
}

const CHANGES: Readonly<Record<string, string>> = { update: 'Update', delete: 'Delete', publish: 'Publish' };
const CONTROLS = new Set(['ready', 'reset', 'total']);

/** Converts a message for subscriptions to the frames that they hand on; one for each record of a page. */
export function framesOf<R>(message: WireMessage): readonly Frame<R>[] {
  const { s: _subscriptions, open: _isOpen, type, seq, time, records, ...others } = message;
  if (records !== undefined) return records.map(retained<R>);
  const of = others.record_seq === undefined ? {} : { record_seq: Number(others.record_seq) };
  const mark = others.tx === undefined ? {} : { tx: Number(others.tx) };
  const frame = { ...others, ...of, ...mark, seq: Number(seq) };
  const kind = CHANGES[type];
  if (kind === undefined) return CONTROLS.has(type) ? [{ ...frame, type } as Frame<R>] : [];
  const op = type === 'update' ? others.op : type === 'delete' && others.reason !== undefined ? 'update' : type;
  return [{ ...frame, message_type: kind, op, timestamp: time } as unknown as ChangeFrame<R>];
}

function retained<R>({ id, seq, data }: PageRecord): Frame<R> {
  const position = Number(seq);
  // A position is a time in microseconds: PROTOCOL.md §2.
  const timestamp = new Date(position / 1000).toISOString();
  return { message_type: 'Retained', op: 'retained', id, seq: position, timestamp, data: data as R };
}
