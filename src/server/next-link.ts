/** Makes the value of `Link` (RFC 8288) from where the next page begins, which is text that needs no escapes. */
export type NextLink = (place: string) => string;

/**
 * For all pages of one query: the address that was asked for, with another place. It is relative, a query alone, so that it
 * holds behind a proxy that has taken something from the path (RFC 3986 §5.2.2). `places` are the parameters that say where a
 * page begins; in the link it is the first of them.
 */
export function makeNextLink(rawQuery: string, places: readonly [string, ...string[]]): NextLink {
  const others = rawQuery.split('&').filter((part) => part !== '' && !places.includes(nameOf(part)));
  const parameters = [...others, `${places[0]}=`].join('&').replace(/[<>"]/g, encodeURIComponent);
  const start = `<?${parameters}`;
  return (place) => `${start}${place}>; rel="next"`;
}

/** Decoded, since it may be written with escapes. */
function nameOf(part: string): string {
  const [written = ''] = part.split('=', 1);
  try {
    return decodeURIComponent(written);
  } catch {
    return written;
  }
}
