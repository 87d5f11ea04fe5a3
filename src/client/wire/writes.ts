import { type Ack, type Envelope, Outbox, type WriteMessage, type WriteReply } from '../connection/outbox.ts';
import { problemError, TablecastError } from '../error.ts';
import type { WireMessage } from './messages.ts';

/** Close codes of protocol errors, which would occur again if the message were sent again. */
const FINAL_CLOSE_CODES = new Set([1002, 1003, 1007, 1009]);
const OPS = { Update: 'put', Patch: 'patch', Delete: 'delete', Publish: 'publish' } as const;

/** Formats a write: PROTOCOL.md §7.6. `id` is the record of the subscription that sends it. */
function formatWrite(
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
function replyOf({
  type,
  ref,
  key = null,
  seq,
  replayed,
  problem,
  ...sent
}: WireMessage): WriteReply | Ack | undefined {
  if (ref === undefined) return undefined;
  if (type === 'ack' && seq === undefined) return { ...sent, type, ref };
  if (type === 'ack') return { type, ref, id: key, seq: Number(seq), ...(replayed && { replayed }) };
  return type === 'error' ? { type, ref, error: problemError(problem) } : undefined;
}

/** Outcome of a message to the flows of a connector. */
export interface Sent {
  /** Number of connections that a flow has sent it to. */
  readonly delivered: number | undefined;
  /** Result of a flow. */
  readonly data: unknown;
}

/** Writes and messages to flows over a connection of protocol v1. */
export class ConnectionWrites extends Outbox {
  /** Resolves when the write is committed. `id` is the record of the subscription that sends it. */
  write(table: string, envelope: Envelope, id?: string | number): Promise<Ack> {
    return this.add(formatWrite(table, envelope, id));
  }

  /** Resolves when the flows of the message have ended. `most`: messages that may wait with it. */
  async send(
    message: { readonly connector: string | undefined; readonly data: unknown },
    most?: number,
  ): Promise<Sent> {
    const { delivered, data } = (await this.add({ type: 'send', ...message }, most)) as Ack & Sent;
    return { delivered, data };
  }

  /** Handles the end of the connection with this close code. */
  disconnected(code: number, reason: string): void {
    const error = new TablecastError('PROTOCOL', reason || `The connection was closed with ${code}.`);
    this.lost(FINAL_CLOSE_CODES.has(code) ? error : undefined);
  }

  /** Handles the answer to a write. False for any other message. */
  answer(message: WireMessage): boolean {
    const reply = replyOf(message);
    return reply !== undefined && this.take(reply);
  }
}
