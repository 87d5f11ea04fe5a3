/** Common properties of frames with a record or a published message: PROTOCOL.md §4.1. */
interface FrameBase {
  readonly id: string | number | null;
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
  /** seq of the record's own last change, where `seq` is that of a related record's. */
  readonly record_seq?: number;
  /** Mark of the transaction of the change, which has several: the seq of its last change, in whatever table. */
  readonly tx?: number;
  /** True when another frame of the same change or transaction follows. */
  readonly more?: true;
  /** With `count=true`: the number of matching records, where it has changed. */
  readonly total?: number;
}

export interface UpdateFrame<R> extends FrameBase {
  readonly message_type: 'Update';
  readonly op: 'create' | 'update';
  /** Record, or with `changed` only these fields of it. */
  readonly data: R;
  readonly changed?: readonly string[];
  /** In a window (`sort`, `limit`, `offset`, `cursor`): index of the record, once it is taken out of its old place. */
  readonly at?: number;
  /** Present when the record did not change itself: it came into the window because another one left. */
  readonly reason?: 'window';
  /** The seq of its own last change, in that case. */
  readonly record_seq?: number;
}

export interface DeleteFrame extends FrameBase {
  readonly message_type: 'Delete';
  readonly op: 'update' | 'delete';
  readonly data: Readonly<Record<string, unknown>>;
  /** Present when the record still exists: it no longer matches the query, or is outside of the window. */
  readonly reason?: 'filter' | 'window' | 'empty' | 'having';
}

export interface RetainedFrame<R> extends FrameBase {
  readonly message_type: 'Retained';
  readonly op: 'retained';
  readonly data: R;
}

export interface PublishFrame extends FrameBase {
  readonly message_type: 'Publish';
  readonly op: 'publish';
  readonly data: unknown;
}

export type ChangeFrame<R> = UpdateFrame<R> | DeleteFrame | RetainedFrame<R> | PublishFrame;

/** Marks the end of the snapshot or of the catch-up. All changes up to `seq` were sent; later frames are live. */
export interface ReadyFrame {
  readonly type: 'ready';
  readonly seq: number;
  /** With `count=true`: the number of matching records. */
  readonly total?: number;
}

/** With `count=true`: the number of matching records after a change that has no other frame for this subscription. */
export interface TotalFrame {
  readonly type: 'total';
  readonly total: number;
  readonly seq: number;
  /** As of a frame with a record. */
  readonly tx?: number;
  readonly more?: true;
}

/** Invalidates all earlier frames. The full state follows as Retained frames, then `ready`. */
export interface ResetFrame {
  readonly type: 'reset';
  /** `interrupted`: the connection was lost before the snapshot was complete. */
  readonly reason:
    | 'position_trimmed'
    | 'position_unknown'
    | 'rights_changed'
    | 'related_changed'
    | 'window_changed'
    | 'totals_changed'
    | 'interrupted';
  readonly seq?: number;
}

export type Frame<R> = ChangeFrame<R> | TotalFrame | ReadyFrame | ResetFrame;
