import { type Ack, type Envelope, Outbox, type WriteMessage, type WriteReply } from '../connection/outbox.ts';
import { problemError } from '../error.ts';
import type { WireMessage } from './messages.ts';

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
function replyOf({ type, ref, key = null, seq, replayed, problem }: WireMessage): WriteReply | Ack | undefined {
  if (ref === undefined) return undefined;
  if (type === 'ack') return { type, ref, id: key, seq: Number(seq), ...(replayed && { replayed }) };
  return type === 'error' ? { type, ref, error: problemError(problem) } : undefined;
}

/** Writes over a connection of protocol v1. */
export class ConnectionWrites extends Outbox {
  /** Resolves when the write is committed. `id` is the record of the subscription that sends it. */
  write(table: string, envelope: Envelope, id?: string | number): Promise<Ack> {
    return this.add(formatWrite(table, envelope, id));
  }

  /** Handles the answer to a write. False for any other message. */
  answer(message: WireMessage): boolean {
    const reply = replyOf(message);
    return reply !== undefined && this.take(reply);
  }
}
