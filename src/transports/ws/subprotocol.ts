import { AppError } from '../../errors.ts';
import { isCredentialOffer } from '../../server/auth/credential.ts';
import { type MessageFormat, SUBPROTOCOLS } from '../../server/content/formats.ts';

export interface Subprotocol {
  /** Name in the 101; undefined where nothing was offered. */
  readonly name: string | undefined;
  readonly format: MessageFormat;
}

/** Reads the names in a `Sec-WebSocket-Protocol` header, in the order of the client's preference. */
export function readOffers(header: string | undefined): readonly string[] {
  if (header === undefined) return [];
  return header
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/**
 * Chooses the first offer that is known (RFC 6455 §4.2.2), or JSON where nothing was offered. A token among the offers is
 * chosen only when it is the only one: browsers break off when none of their offers comes back. Throws BAD_REQUEST when
 * no name is known: a client whose offers are all ignored ends the connection without a reason.
 */
export function chooseSubprotocol(
  offers: readonly string[],
  known: ReadonlyMap<string, MessageFormat> = SUBPROTOCOLS,
): Subprotocol {
  const names = offers.filter((name) => !isCredentialOffer(name));
  if (names.length === 0) return { name: offers[0], format: 'json' };
  for (const name of names) {
    const format = known.get(name);
    if (format !== undefined) return { name, format };
  }
  throw new AppError(
    'BAD_REQUEST',
    `None of the offered subprotocols is supported; there are ${[...known.keys()].join(', ')}.`,
  );
}
