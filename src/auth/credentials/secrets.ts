import { createHash, createHmac, randomBytes } from 'node:crypto';

const LETTERS = 'abcdefghjkmnpqrstuvwxyz023456789';

/** Letters and digits of 5 random bits each, none of which looks like another. */
export function randomText(length: number): string {
  return spell(randomBytes(length));
}

function spell(bytes: Buffer): string {
  return Array.from(bytes, (byte) => LETTERS[byte & 31]).join('');
}

/** SHA-256: enough for what is random and long, unlike a password. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** A secret with an id by which it is found: `tck_k3m9x2pq_…`. */
export interface Secret {
  readonly id: string;
  readonly hash: Buffer;
}

/** One kind of them: the prefix tells it from others, also to those who look for secrets in files. */
export interface SecretForm {
  readonly prefix: string;
  readonly idLength: number;
  readonly secretLength: number;
}

/** An API key has 160 random bits behind an id that may be seen. */
export const KEY_FORM: SecretForm = { prefix: 'tck', idLength: 8, secretLength: 32 };
/** The id of a refresh token must not be guessed either: showing it with a wrong secret ends the session. */
export const REFRESH_FORM: SecretForm = { prefix: 'tcr', idLength: 26, secretLength: 52 };

/** Makes the text of a secret; without an id, a new one with it. */
export function makeSecret(form: SecretForm, id = randomText(form.idLength)): Secret & { text: string } {
  return asSecret(form, id, randomText(form.secretLength));
}

/**
 * The secret that follows one that was shown: the same each time for the same nonce. With the nonce alone, as it is stored,
 * it cannot be made, nor with the shown secret alone.
 */
export function makeNextSecret(form: SecretForm, id: string, from: Derivation): Secret & { text: string } {
  const bytes = derive(from, 'secret').subarray(0, form.secretLength);
  return asSecret(form, id, spell(bytes));
}

/** What the next secret is made of. */
export interface Derivation {
  /** The whole text of the secret that was shown. */
  readonly shown: string;
  readonly nonce: Buffer;
}

/** 64 bytes that only one who has both parts can make; `use` keeps those for different uses apart. */
export function derive({ shown, nonce }: Derivation, use: string): Buffer {
  return createHmac('sha512', shown).update(nonce).update(use).digest();
}

function asSecret(form: SecretForm, id: string, secret: string): Secret & { text: string } {
  return { id, hash: hashSecret(secret), text: `${form.prefix}_${id}_${secret}` };
}

/** Id and hash of a text of that form; undefined when it has another one. */
export function parseSecret({ prefix, idLength, secretLength }: SecretForm, text: string): Secret | undefined {
  const [found, id = '', secret = '', ...rest] = text.split('_', 4);
  const fits = found === prefix && id.length === idLength && secret.length === secretLength && rest.length === 0;
  return fits ? { id, hash: hashSecret(secret) } : undefined;
}
