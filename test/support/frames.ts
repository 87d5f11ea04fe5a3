export type Json = Record<string, unknown>;

/** A frame with `message_type`: something that happened to a record, or a stored record. */
export interface ChangeFrame {
  readonly message_type: string;
  readonly data: Json;
  readonly id: string | null;
  readonly timestamp: string;
  readonly seq: number;
  readonly op: string;
  /** Mark of the transaction: the seq of its last change. */
  readonly tx?: number;
}

/** A frame with `type`: about the channel itself. */
export interface ControlFrame {
  readonly type: string;
  readonly seq?: number;
  readonly reason?: string;
  readonly ref?: string | number;
  readonly replayed?: boolean;
  readonly id?: string | null;
  readonly code?: string;
  readonly message?: string;
  readonly details?: unknown;
  /** Of connectors with rooms. */
  readonly room?: string;
  readonly delivered?: number;
  readonly data?: Json;
}
