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

/** Makes the value of `Link` (RFC 8288) from the cursor of the next page, which must not need escapes. */
export type NextLink = (cursor: string) => string;

/**
 * Makes the links for all pages of one query: the same query with another cursor. A link is relative, a query alone, so
 * that it is valid behind a proxy that has removed a part of the path (RFC 3986 §5.2.2). `cursorNames` are the parameters
 * that select a page; the link uses the first of them.
 */
export function makeNextLink(rawQuery: string, cursorNames: readonly [string, ...string[]]): NextLink {
  const others = rawQuery.split('&').filter((part) => part !== '' && !cursorNames.includes(parameterName(part)));
  const parameters = [...others, `${cursorNames[0]}=`].join('&').replace(/[<>"]/g, encodeURIComponent);
  const start = `<?${parameters}`;
  return (cursor) => `${start}${cursor}>; rel="next"`;
}

/** Returns the decoded name of a parameter: it may be written with escapes. */
function parameterName(part: string): string {
  const [written = ''] = part.split('=', 1);
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}
