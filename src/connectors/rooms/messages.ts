import { AppError } from '../../errors.ts';
import { isObject, type ValueLimits } from '../../resources/body/values.ts';
import { parseRef, type Ref } from '../../transports/socket/auth-message.ts';
import { checkInput, parseInputText } from '../flows/json-input.ts';

/** What a client wants. */
export interface ClientMessage {
  readonly type: string;
  readonly ref: Ref | undefined;
  readonly value: Readonly<Record<string, unknown>>;
}

/** By which a client knows one of its messages again. */
export interface MessageAbout {
  readonly ref?: Ref;
  readonly room?: string;
}

/** What is shown of a type that is none. */
const SHOWN = 100;

/** Throws INVALID_MESSAGE, INVALID_JSON, TOO_DEEP or TOO_WIDE. */
export function parseMessage(bytes: Buffer, isBinary: boolean, limits: ValueLimits): ClientMessage {
  if (isBinary) throw new AppError('INVALID_MESSAGE', 'A message is a text frame.');
  const value = parseInputText(bytes.toString('utf8'));
  if (!isObject(value)) throw new AppError('INVALID_MESSAGE', 'A message is an object with a type.');
  checkInput(value, 'message', limits);
  const { type, ref } = value;
  if (typeof type !== 'string') throw new AppError('INVALID_MESSAGE', 'A message has a type, which is text.');
  return { type, ref: parseRef(ref), value };
}

/** The `ref` of a message; of one about a room its name, too, whatever that is. */
export function aboutOf({ type, ref, value: { room } }: ClientMessage): MessageAbout {
  const isAboutRoom = (type === 'join_room' || type === 'leave_room') && typeof room === 'string';
  return { ...(ref === undefined ? {} : { ref }), ...(isAboutRoom ? { room } : {}) };
}

export function unknownType(type: string): AppError {
  return new AppError('INVALID_MESSAGE', `unknown message type: ${type.slice(0, SHOWN)}`);
}

/** The members of a message, which are what flows are told. Throws INVALID_MESSAGE. */
export function dataOf({ value: { data = {} } }: ClientMessage): Record<string, unknown> {
  if (isObject(data)) return data;
  throw new AppError('INVALID_MESSAGE', 'data must be an object.');
}
