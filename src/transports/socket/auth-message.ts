import type { AppAuth } from '../../auth/app-auth.ts';
import type { OpenConnection } from '../../auth/connections.ts';
import { AppError } from '../../errors.ts';
import { isExact } from '../../schema/float.ts';

const MEMBERS: ReadonlySet<string> = new Set(['type', 'token', 'ref']);
/** Characters of a `ref`: a longer one is the client's state, not a reference. */
const MAX_REF_CHARS = 256;

/** Name that a client gives to its message, by which it recognises the answer. */
export type Ref = string | number;

/** A connection that may continue with another token. */
export interface Renewable extends OpenConnection {
  close(code: number, reason: string): void;
}

/** `{"type":"auth","token":…}`: a newer token. Callers have checked that the application has `auth`. */
export function isAuthMessage(value: Readonly<Record<string, unknown>>): boolean {
  return value.type === 'auth' && Object.hasOwn(value, 'token') && !Object.hasOwn(value, 'message_type');
}

/** Formats the end of a token (milliseconds since 1970) as messages have it; null when it has none. */
export function formatExpiry(expiresAt: number | undefined): string | null {
  return expiresAt === undefined ? null : new Date(expiresAt).toISOString();
}

/**
 * Continues the connection with the token of the message. Resolves with the new end; undefined for the token of another
 * subject, which closes the connection. Throws UNAUTHORIZED for a bad token: the connection continues with its old one.
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
    connection.close(4401, 'the token is that of another user');
    return undefined;
  }
  auth.connections.renew(connection, principal);
  return { expiresAt: formatExpiry(principal.expiresAt) };
}

/** Formats the answer to a message whose token was accepted. */
export function formatRenewed(expiresAt: string | null, ref: Ref | undefined): object {
  return { type: 'auth', expires_at: expiresAt, ...(ref === undefined ? {} : { ref }) };
}

/** Reads a `ref`; undefined for a message without one. Throws INVALID_MESSAGE for another type, or one that is too long. */
export function parseRef(ref: unknown): Ref | undefined {
  if (ref === undefined || ref === null) return undefined;
  if (isExact(ref) || (typeof ref === 'string' && ref.length <= MAX_REF_CHARS)) return ref;
  throw new AppError('INVALID_MESSAGE', `ref must be a number or a string of at most ${MAX_REF_CHARS} characters.`);
}
