import type { Identity } from '../../auth/identity.ts';
import { type AppError, makeProblem } from '../../errors.ts';
import { formatExpiry, type Ref } from '../socket/auth-message.ts';
import type { LiveAbout } from './messages.ts';
import type { LiveWritten } from './requests/writes.ts';

/** Limits that a client reads in `hello`. */
export interface LiveLimits {
  readonly subscriptions: number;
  readonly message: number;
  readonly waitingMessages: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
}

/** Facts about the application that a client reads in `hello`. */
interface HelloContext {
  readonly planTag: string;
  /** Rooms by the name of their connector. */
  readonly rooms: ReadonlyMap<string, unknown>;
  readonly limits: LiveLimits;
}

/** Formats the first message of the server: PROTOCOL.md §7.3. */
export function formatHello(connection: string, { planTag, rooms, limits }: HelloContext, identity: Identity): object {
  const { subscriptions, message, waitingMessages, messagesPerSecond, messagesBurst } = limits;
  return {
    type: 'hello',
    protocol: 'tablecast.v1',
    connection,
    schema: planTag,
    ...(rooms.size === 0 ? {} : { rooms: [...rooms.keys()] }),
    limits: {
      subscriptions,
      message,
      waiting_messages: waitingMessages,
      messages_per_second: messagesPerSecond,
      messages_burst: messagesBurst,
    },
    ...(identity.type === 'principal' ? { expires_at: formatExpiry(identity.expiresAt) } : {}),
  };
}

/** Formats an error: the problem, and the subscription or the request that it is about. */
export function errorMessage(error: AppError, about: LiveAbout): object {
  return { type: 'error', ...about, problem: makeProblem(error) };
}

/** Formats the acknowledgement of a write. */
export function formatAck({ id, seq, changed, replayed, delivered, json = '' }: LiveWritten, ref: Ref): object {
  return {
    type: 'ack',
    ref,
    key: id,
    seq: String(seq),
    changed,
    ...(delivered === undefined ? {} : { delivered }),
    ...(json === '' ? {} : { data: JSON.parse(json) as unknown }),
    ...(replayed ? { replayed } : {}),
  };
}

export function refOf(ref: Ref | undefined): { ref?: Ref } {
  return ref === undefined ? {} : { ref };
}
