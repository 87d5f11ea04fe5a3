/**
 * `Cache-Control` of responses that can change at any time: a cache may store them, and revalidates before it uses one
 * (RFC 9111 §5.2.2.4). Without the header, caches choose a lifetime themselves, during which a change is not seen (§4.2.2).
 */
export const REVALIDATED = 'no-cache';

/** The same for responses that depend on the caller: only the caller's own cache may store them. */
export const REVALIDATED_BY_CALLER = 'private, no-cache';

/** `Cache-Control` of responses that are true only now: errors, health, metrics. */
export const NEVER_KEPT = 'no-store';

/** `Cache-Control` of streams: a proxy that compresses or otherwise changes one would delay its events (§5.2.2.6). */
export const STREAMED = 'no-cache, no-transform';

/** Returns the `Cache-Control` of reads; `auth` is undefined where authentication is off. */
export function cacheControlFor(auth: object | undefined): string {
  return auth === undefined ? REVALIDATED : REVALIDATED_BY_CALLER;
}
