import { distance } from 'fastest-levenshtein';

// A name that is far longer than any candidate is never a typo of one, and comparing it would cost time.
const LONGEST_TYPO = 64;

/** The candidate that was most likely meant: the same but for case, or at most two letters away. */
export function findMeant(written: string, candidates: Iterable<string>): string | undefined {
  if (written.length > LONGEST_TYPO) return undefined;
  let best: string | undefined;
  let bestDistance = 3;
  for (const candidate of candidates) {
    // As many letters have to be added at least; this is far cheaper than counting exactly.
    if (Math.abs(candidate.length - written.length) >= bestDistance) continue;
    const apart = distance(written.toLowerCase(), candidate.toLowerCase());
    // Two letters away from a word of two letters is any word.
    if (apart < bestDistance && apart < Math.min(written.length, candidate.length)) {
      best = candidate;
      bestDistance = apart;
    }
  }
  return best;
}

/** `did you mean "x"?`, or undefined when nothing is near. `mark` stands before the name: `@` of directives. */
export function suggest(written: string, candidates: Iterable<string>, mark = ''): string | undefined {
  const meant = findMeant(written, candidates);
  return meant === undefined ? undefined : `did you mean "${mark}${meant}"?`;
}
