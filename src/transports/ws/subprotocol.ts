import { isCredentialOffer } from '../../server/credential.ts';

/**
 * The subprotocol that is spoken, of those that a client offers; undefined when it offers none. A token among them is
 * given back only when there is nothing else: browsers break off when nothing they offered comes back.
 */
export function chooseSubprotocol(offers: Iterable<string>): string | undefined {
  const names = [...offers];
  return names.find((name) => !isCredentialOffer(name)) ?? names[0];
}
