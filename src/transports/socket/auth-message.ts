import type { AppAuth } from '../../auth/app-auth.ts';
import type { OpenConnection } from '../../auth/connections.ts';
import { AppError } from '../../errors.ts';
import { isExact } from '../../schema/float.ts';

const MEMBERS: ReadonlySet<string> = new Set(['type', 'token', 'ref']);
/** Longer ones are the client's state, not a reference. */
const MAX_REF = 256;

/** What a client calls its message, to know the answer by. */
export type Ref = string | number;

/** A connection that may go on with another token. */
export interface Renewable extends OpenConnection {
  close(code: number, reason: string): void;
}

/** `{"type":"auth","token":…}`: a newer token. Whoever asks has made sure that the connection's application has `auth`. */
export function isAuthMessage(value: Readonly<Record<string, unknown>>): boolean {
  return value.type === 'auth' && Object.hasOwn(value, 'token') && !Object.hasOwn(value, 'message_type');
}

/** The end of what the connection may do, as messages tell it; null when there is none. */
export function formatExpiry(expiresAt: number | undefined): string | null {
  return expiresAt === undefined ? null : new Date(expiresAt).toISOString();
}

/**
 * Goes on with the token of the message. Resolves with the new end; undefined when the token was that of somebody else,
 * which closes the connection. Throws UNAUTHORIZED for a bad token: then the connection goes on with the one it has.
 */
export async function renew(
  connection: Renewable,
  value: Readonly<Record<string, unknown>>,
  auth: AppAuth | undefined,
): Promise<{ readonly expiresAt: string | null } | undefined> {
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) {
    throw new AppError('INVALID_MESSAGE', 'A message of type auth has token and ref; a record goes into an envelope.');
  }
  const { identity } = connection;
  if (typeof value.token !== 'string') throw new AppError('INVALID_MESSAGE', 'token must be a string.');
  if (identity.type !== 'principal' || auth === undefined) {
    throw new AppError('FORBIDDEN', 'This connection was opened without a token; open another one with it.');
  }
  const principal = await auth.authenticator.authenticate({ type: 'bearer', text: value.token });
  if (principal.sub !== identity.sub) {
    connection.close(4401, 'the token is that of somebody else');
    return undefined;
  }
  auth.connections.renew(connection, principal);
  return { expiresAt: formatExpiry(principal.expiresAt) };
}

/** The answer to a message whose token was taken. */
export function formatRenewed(expiresAt: string | null, ref: Ref | undefined): object {
  return { type: 'auth', expires_at: expiresAt, ...(ref === undefined ? {} : { ref }) };
}

/** Throws INVALID_MESSAGE when it is none. */
export function parseRef(ref: unknown): Ref | undefined {
  if (ref === undefined || ref === null) return undefined;
  if (isExact(ref) || (typeof ref === 'string' && ref.length <= MAX_REF)) return ref;
  throw new AppError('INVALID_MESSAGE', `ref must be a number or a string of at most ${MAX_REF} characters.`);
}
