import Negotiator from 'negotiator';
import { AppError } from '../../errors.ts';
import type { Coding } from './compress.ts';
import { type Format, formatNamed, MEDIA_TYPE_NAMES, MEDIA_TYPES, USUAL_MEDIA_TYPES } from './formats.ts';

export interface Chosen {
  readonly format: Format;
  /** Value of Content-Type, parameters included. */
  readonly contentType: string;
}

/** Signature of `encoding` in the package's current version; its published types are older. */
interface EncodingNegotiator {
  encoding(available: string[], options?: { readonly preferred: readonly string[] }): string | undefined;
}

/** Codings in the server's order of preference, which counts where the client has none: the smallest result first. */
const CODINGS: readonly Coding[] = ['br', 'gzip', 'deflate'];

/**
 * Negotiates the content type by `Accept` (RFC 9110 §12.5.1); JSON without one. Throws NOT_ACCEPTABLE when the server has
 * none of the accepted types.
 */
export function chooseFormat(accept: string | undefined): Chosen {
  // Parameters such as `charset` do not distinguish the server's types, and would match none of them.
  const header = accept?.replace(/;(?!\s*q\s*=)[^;,]*/gi, '').trim();
  const wanted = header === undefined || header === '' ? '*/*' : header;
  const name = new Negotiator({ headers: { accept: wanted } }).mediaType([...MEDIA_TYPE_NAMES]);
  if (name === undefined) {
    throw new AppError('NOT_ACCEPTABLE', `This is available as ${USUAL_MEDIA_TYPES.join(', ')}.`, {
      headers: { vary: 'Accept' },
    });
  }
  const format = formatNamed(name);
  return { format, contentType: name + MEDIA_TYPES[format].parameters };
}

/** True when HTML is preferred over JSON and named, as browsers do when an address is opened. */
export function prefersHtml(accept: string | undefined): boolean {
  if (!accept?.includes('text/html')) return false;
  return new Negotiator({ headers: { accept } }).mediaType(['application/json', 'text/html']) === 'text/html';
}

/** Negotiates the coding by `Accept-Encoding` (RFC 9110 §12.5.3); undefined for none. */
export function chooseCoding(acceptEncoding: string | undefined): Coding | undefined {
  if (acceptEncoding === undefined) return undefined;
  const negotiator: EncodingNegotiator = new Negotiator({ headers: { 'accept-encoding': acceptEncoding } });
  const name = negotiator.encoding([...CODINGS, 'identity'], { preferred: [...CODINGS] });
  return CODINGS.find((coding) => coding === name);
}
