import type { AppAuth } from '../../../auth/app-auth.ts';
import { AppError, internalError } from '../../../errors.ts';
import { isObject } from '../../../resources/body/values.ts';
import { formatRenewed, isAuthMessage, parseRef, type Ref, type Renewable, renew } from '../../socket/auth-message.ts';

type Message = Readonly<Record<string, unknown>>;

/** A connection that is told what became of its new token. */
interface Renewing extends Renewable {
  answer(message: object): void;
  refuse(error: AppError, ref?: Ref): void;
}

/** Whatever is no message about a token is the handler's, and is parsed for it. */
const MARK = '"auth"';

/** Messages with newer tokens, on sockets of routes: the same as on those of tables, PROTOCOL.md §4.2. */
export class Renewal {
  readonly #auth: AppAuth;
  readonly #onError: (error: unknown) => void;

  constructor(auth: AppAuth, onError: (error: unknown) => void) {
    this.#auth = auth;
    this.#onError = onError;
  }

  /** The message, when it is about a token. */
  read(data: Buffer): Message | undefined {
    if (!data.includes(MARK)) return undefined;
    try {
      const value: unknown = JSON.parse(data.toString());
      return isObject(value) && isAuthMessage(value) ? value : undefined;
    } catch {
      return undefined;
    }
  }

  /** Goes on with the token, or says why not; one of somebody else closes the connection. */
  async take(message: Message, connection: Renewing): Promise<void> {
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
