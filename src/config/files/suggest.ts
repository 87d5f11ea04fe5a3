import { distance } from 'fastest-levenshtein';

/** Characters of a name for which suggestions are made: a longer one is no typo, and comparing it would cost time. */
const MAX_TYPO_CHARS = 64;

/** Returns the candidate that was most likely meant: equal except for case, or at most two letters away. */
export function findMeant(written: string, candidates: Iterable<string>): string | undefined {
  if (written.length > MAX_TYPO_CHARS) return undefined;
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of candidates) {
    // The difference in length is a lower bound of the distance, and far cheaper to compute.
    if (Math.abs(candidate.length - written.length) >= bestDistance) continue;
    const apart = distance(written.toLowerCase(), candidate.toLowerCase());
    // Any word of two letters is two letters away from any other.
    if (apart < bestDistance && apart < Math.min(written.length, candidate.length)) {
      best = candidate;
      bestDistance = apart;
    }
  }
  return best;
}

/** Returns `did you mean "x"?`, or undefined when nothing is similar. `mark` precedes the name: `@` for directives. */
export function suggest(written: string, candidates: Iterable<string>, mark = ''): string | undefined {
  const meant = findMeant(written, candidates);
  return meant === undefined ? undefined : `did you mean "${mark}${meant}"?`;
}
