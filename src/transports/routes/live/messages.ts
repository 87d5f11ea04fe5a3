import type { Limits } from '../../../config/config.ts';
import { AppError } from '../../../errors.ts';
import { checkJson, throwInvalid } from '../../../resources/body/values.ts';
import { encodeBinary, encodeText } from '../../socket/text-frames.ts';
import type { WsRoute } from '../route.ts';
import { validate } from '../standard-schema.ts';

/** A message of a client, as it was received. */
export interface RouteMessage {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

/** Returns the message for the handler, or the error that says why the handler does not get it. */
export async function parseRouteMessage(
  { data, isBinary }: RouteMessage,
  { message: schema }: WsRoute,
  limits: Limits,
): Promise<unknown> {
  try {
    const message = isBinary ? data : parseText(data.toString());
    if (!isBinary) checkJson(limits)(message, 'message', throwInvalid);
    return await validate(schema, message, 'message');
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
}

function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Encodes strings as text, bytes as a binary frame, anything else as JSON. Throws TypeError for what is not JSON. */
export function encodeRouteMessage(message: unknown): Buffer {
  if (typeof message === 'string') return encodeText(message);
  if (message instanceof Uint8Array) return encodeBinary(message);
  if (message instanceof ArrayBuffer) return encodeBinary(new Uint8Array(message));
  const json: string | undefined = JSON.stringify(message);
  if (json === undefined) throw new TypeError(`a message is text, bytes or what is JSON, not ${typeof message}`);
  return encodeText(json);
}
