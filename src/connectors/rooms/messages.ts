import { AppError } from '../../errors.ts';
import { isObject, type ValueLimits } from '../../resources/body/values.ts';
import { parseRef, type Ref } from '../../transports/socket/auth-message.ts';
import { PermanentError } from '../connector.ts';
import { checkInput, parseInputText } from '../flows/json-input.ts';

/** A message of a client, with its type read. */
export interface ClientMessage {
  readonly type: string;
  readonly ref: Ref | undefined;
  readonly value: Readonly<Record<string, unknown>>;
}

/** Identifies a message to its client. */
export interface MessageAbout {
  readonly ref?: Ref;
  readonly room?: string;
}

/** Characters of an unknown type that are quoted in an error. */
const MAX_QUOTED_CHARS = 100;

/** Reads a message. Throws INVALID_MESSAGE, INVALID_JSON, TOO_DEEP or TOO_WIDE. */
export function parseMessage(bytes: Buffer, isBinary: boolean, limits: ValueLimits): ClientMessage {
  if (isBinary) throw new AppError('INVALID_MESSAGE', 'A message is a text frame.');
  const value = parseInputText(bytes.toString('utf8'));
  if (!isObject(value)) throw new AppError('INVALID_MESSAGE', 'A message is an object with a type.');
  checkInput(value, 'message', limits);
  const { type, ref } = value;
  if (typeof type !== 'string') throw new AppError('INVALID_MESSAGE', 'A message needs a type, which is a string.');
  return { type, ref: parseRef(ref), value };
}

/** The `ref` of a message; for one about a room, also the name of the room. */
export function aboutOf({ type, ref, value: { room } }: ClientMessage): MessageAbout {
  const isAboutRoom = (type === 'join_room' || type === 'leave_room') && typeof room === 'string';
  return { ...(ref === undefined ? {} : { ref }), ...(isAboutRoom ? { room } : {}) };
}

export const RIGHTS_LOST = 'The rules of this room no longer allow you to be in it.';

/** Formats the end of a membership that the rules of the room do not allow any more. */
export function leftMessage(room: string): object {
  return { type: 'left', room, reason: 'rights_changed', message: RIGHTS_LOST };
}

export function unknownType(type: string): AppError {
  return new AppError('INVALID_MESSAGE', `unknown message type: ${type.slice(0, MAX_QUOTED_CHARS)}`);
}

/** The data of a message, which flows get as their input. Throws INVALID_MESSAGE. */
export function toMessageData({ value: { data = {} } }: Pick<ClientMessage, 'value'>): Record<string, unknown> {
  if (isObject(data)) return data;
  throw new AppError('INVALID_MESSAGE', 'data must be an object.');
}

/** Turns an error of a flow into the one that its client receives; an internal error is only logged. */
export function toFailure(error: unknown, onError: (error: unknown) => void): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof PermanentError) return new AppError('FLOW_FAILED', error.message);
  onError(error);
  return new AppError('FLOW_FAILED', 'The flow has failed; it has been logged.', { cause: error });
}

/** Formats an error after which the connection continues (PROTOCOL.md). `about` identifies the message that was wrong. */
export function errorMessage({ code, message, errors }: AppError, about: MessageAbout = {}): object {
  return { type: 'error', code, message, ...(errors === undefined ? {} : { details: errors }), ...about };
}
