/** Prefix of every API key; no JWT begins with it. */
export const KEY_PREFIX = 'tck_';
