import { createHash, createHmac, randomBytes } from 'node:crypto';

const LETTERS = 'abcdefghjkmnpqrstuvwxyz023456789';

/** Letters and digits of 5 random bits each, without characters that look alike. */
export function randomText(length: number): string {
  return spell(randomBytes(length));
}

function spell(bytes: Buffer): string {
  return Array.from(bytes, (byte) => LETTERS[byte & 31]).join('');
}

/** SHA-256: sufficient for a long random secret, unlike a password. */
export function hashSecret(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** Secret with an id by which it is found: `tck_k3m9x2pq_…`. */
export interface Secret {
  readonly id: string;
  readonly hash: Buffer;
}

/** Kind of secret. The prefix tells it from others, also for scanners that look for secrets in files. */
export interface SecretForm {
  readonly prefix: string;
  readonly idLength: number;
  readonly secretLength: number;
}

/** API key: 160 random bits behind a public id. */
export const KEY_FORM: SecretForm = { prefix: 'tck', idLength: 8, secretLength: 32 };
/** Refresh token: its id must not be guessable either, since presenting it with a wrong secret ends the session. */
export const REFRESH_FORM: SecretForm = { prefix: 'tcr', idLength: 26, secretLength: 52 };

/** Makes the text of a secret; without an id, a new one. */
export function makeSecret(form: SecretForm, id = randomText(form.idLength)): Secret & { text: string } {
  return asSecret(form, id, randomText(form.secretLength));
}

/**
 * Makes the secret that follows a presented one: always the same for the same nonce. It cannot be made from the nonce
 * alone, as it is stored, nor from the presented secret alone.
 */
export function makeNextSecret(form: SecretForm, id: string, from: DerivationInput): Secret & { text: string } {
  const bytes = derive(from, 'secret').subarray(0, form.secretLength);
  return asSecret(form, id, spell(bytes));
}

/** Input of the next secret. */
export interface DerivationInput {
  /** Whole text of the presented secret. */
  readonly presented: string;
  readonly nonce: Buffer;
}

/** 64 bytes that can only be made with both parts; `use` keeps those for different uses apart. */
export function derive({ presented, nonce }: DerivationInput, use: string): Buffer {
  return createHmac('sha512', presented).update(nonce).update(use).digest();
}

function asSecret(form: SecretForm, id: string, secret: string): Secret & { text: string } {
  return { id, hash: hashSecret(secret), text: `${form.prefix}_${id}_${secret}` };
}

/** Returns the id and the hash of a text in that form; undefined for any other text. */
export function parseSecret({ prefix, idLength, secretLength }: SecretForm, text: string): Secret | undefined {
  const [found, id = '', secret = '', ...rest] = text.split('_', 4);
  const fits = found === prefix && id.length === idLength && secret.length === secretLength && rest.length === 0;
  return fits ? { id, hash: hashSecret(secret) } : undefined;
}
