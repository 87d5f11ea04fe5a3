import type { Ack, Envelope, WriteMessage, WriteReply } from '../connection/outbox.ts';
import { type FieldError, TablecastError } from '../error.ts';
import type { ChangeFrame, Frame } from '../live/frames.ts';

/** Problem of an error: PROTOCOL.md §7.8. */
export interface Problem {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly status?: number;
  readonly errors?: readonly FieldError[];
}

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
  readonly limits?: { readonly subscriptions?: number };
}

const CHANGES: Readonly<Record<string, string>> = { update: 'Update', delete: 'Delete', publish: 'Publish' };

/** Converts a message for subscriptions to the frames that they hand on; one for each record of a page. */
export function framesOf<R>(message: WireMessage): readonly Frame<R>[] {
  const { s: _subscriptions, open: _isOpen, type, seq, time, records, ...others } = message;
  if (records !== undefined) return records.map(retained<R>);
  const kind = CHANGES[type];
  const position = Number(seq);
  if (kind === undefined) {
    return type === 'ready' || type === 'reset' ? [{ type, seq: position, ...others } as Frame<R>] : [];
  }
  const op = type === 'update' ? others.op : type === 'delete' && others.reason !== undefined ? 'update' : type;
  const of = others.record_seq === undefined ? {} : { record_seq: Number(others.record_seq) };
  const mark = others.tx === undefined ? {} : { tx: Number(others.tx) };
  return [
    { ...others, ...of, ...mark, message_type: kind, op, seq: position, timestamp: time } as unknown as ChangeFrame<R>,
  ];
}

function retained<R>({ id, seq, data }: PageRecord): Frame<R> {
  const position = Number(seq);
  // A position is a time in microseconds: PROTOCOL.md §2.
  const timestamp = new Date(position / 1000).toISOString();
  return { message_type: 'Retained', op: 'retained', id, seq: position, timestamp, data: data as R };
}

const OPS = { Update: 'put', Patch: 'patch', Delete: 'delete', Publish: 'publish' } as const;

/** Formats a write: PROTOCOL.md §7.6. `id` is the record of the subscription that sends it. */
export function formatWrite(
  table: string,
  { message_type, ...envelope }: Envelope,
  id?: string | number,
): WriteMessage & Readonly<Record<string, unknown>> {
  const { if_seq: seq, data, ref } = envelope;
  const key = envelope.id ?? id;
  return {
    type: 'write',
    op: OPS[message_type],
    table,
    ...(key !== undefined && { key }),
    ...(data !== undefined && { data }),
    ...(seq !== undefined && { if_seq: seq === null ? null : String(seq) }),
    ...(ref !== undefined && { ref }),
  };
}

/** Converts `ack` and `error` to the reply to a write. Undefined for any other message, and for errors about no write. */
export function replyOf({ type, ref, key = null, seq, replayed, problem }: WireMessage): WriteReply | Ack | undefined {
  if (ref === undefined) return undefined;
  if (type === 'ack') return { type, ref, id: key, seq: Number(seq), ...(replayed && { replayed }) };
  return type === 'error' ? { type, ref, error: problemError(problem) } : undefined;
}

export function problemError({ code = 'PROTOCOL', detail, title, status = 0, errors = [] }: Problem = {}) {
  return new TablecastError(code, detail ?? title ?? 'The server reports an error.', { status, errors });
}
