/** A change of a record, a stored record, or what was published: PROTOCOL.md §4.1. */
interface FrameBase {
  readonly id: string | number | null;
  readonly seq: number;
  /** ISO 8601, UTC. */
  readonly timestamp: string;
}

export interface UpdateFrame<R> extends FrameBase {
  readonly message_type: 'Update';
  readonly op: 'create' | 'update';
  /** The record, or with `changed` only these fields of it. */
  readonly data: R;
  readonly changed?: readonly string[];
}

export interface DeleteFrame extends FrameBase {
  readonly message_type: 'Delete';
  readonly op: 'delete';
  readonly data: Readonly<Record<string, unknown>>;
  /** The record is still there, and does not match the query any more. */
  readonly reason?: 'filter';
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

/** Everything is told up to `seq`; what follows is live. */
export interface ReadyFrame {
  readonly type: 'ready';
  readonly seq: number;
}

/** What was told before holds no more: the whole state follows, as Retained frames, and then `ready`. */
export interface ResetFrame {
  readonly type: 'reset';
  /** `interrupted`: the connection was lost before the state was whole. */
  readonly reason: 'position_trimmed' | 'position_unknown' | 'rights_changed' | 'interrupted';
  readonly seq?: number;
}

export type Frame<R> = ChangeFrame<R> | ReadyFrame | ResetFrame;
