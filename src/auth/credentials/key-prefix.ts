/** What every API key begins with; no JWT does. */
export const KEY_PREFIX = 'tck_';
