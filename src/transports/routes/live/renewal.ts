import type { AppAuth } from '../../../auth/app-auth.ts';
import { AppError, internalError } from '../../../errors.ts';
import { isObject } from '../../../resources/body/values.ts';
import { formatRenewed, isAuthMessage, parseRef, type Ref, type Renewable, renew } from '../../socket/auth-message.ts';

type JsonMessage = Readonly<Record<string, unknown>>;

/** A connection whose client sends a newer token. */
interface RenewingConnection extends Renewable {
  answer(message: object): void;
  refuse(error: AppError, ref?: Ref): void;
}

/** Text of every message with a token: others are left to the handler, and are not parsed twice. */
const MARK = '"auth"';

/** Handles messages with newer tokens on sockets of routes, as those of tables do: PROTOCOL.md §4.2. */
export class Renewal {
  readonly #auth: AppAuth;
  readonly #onError: (error: unknown) => void;

  constructor(auth: AppAuth, onError: (error: unknown) => void) {
    this.#auth = auth;
    this.#onError = onError;
  }

  /** Returns the message if it is one with a token; undefined for a message of the handler. */
  read(data: Buffer): JsonMessage | undefined {
    if (!data.includes(MARK)) return undefined;
    try {
      const value: unknown = JSON.parse(data.toString());
      return isObject(value) && isAuthMessage(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  /** Continues with the token, or reports why not; the token of another subject closes the connection. */
  async take(message: JsonMessage, connection: RenewingConnection): Promise<void> {
    let ref: Ref | undefined;
    try {
      ref = parseRef(message.ref);
      const renewed = await renew(connection, message, this.#auth);
      if (renewed !== undefined) connection.answer(formatRenewed(renewed.expiresAt, ref));
    } catch (error) {
      if (error instanceof AppError) return connection.refuse(error, ref);
      this.#onError(error);
      connection.refuse(internalError(), ref);
    }
  }
}
