/**
 * Answers that are made anew for every request: a cache may keep them, and asks before it uses one (RFC 9111 §5.2.2.4). Where
 * nothing is said, caches choose a time by themselves, during which a change would not be seen (§4.2.2).
 */
export const REVALIDATED = 'no-cache';

/** The same, and only for the cache of the caller: what is answered depends on who asks. */
export const REVALIDATED_BY_CALLER = 'private, no-cache';

/** What says how things are at this moment: errors, health, metrics. */
export const NEVER_KEPT = 'no-store';

/** What a stream says: a proxy that compresses, or otherwise changes it, would hold its events back (§5.2.2.6). */
export const STREAMED = 'no-cache, no-transform';

/** `Cache-Control` of what is read where callers show who they are (`auth`), or do not. */
export function cacheControlFor(auth: object | undefined): string {
  return auth === undefined ? REVALIDATED : REVALIDATED_BY_CALLER;
}
