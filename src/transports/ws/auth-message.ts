import type { AppAuth } from '../../auth/app-auth.ts';
import type { OpenConnection } from '../../auth/open-connections.ts';
import { AppError } from '../../errors.ts';

/** A connection whose client can show a newer token. */
export interface Renewable extends OpenConnection {
  close(code: number, reason: string): void;
}

const MEMBERS: ReadonlySet<string> = new Set(['type', 'token', 'ref']);

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
  auth: AppAuth | undefined,
  value: Readonly<Record<string, unknown>>,
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
