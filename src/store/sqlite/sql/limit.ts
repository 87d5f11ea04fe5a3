/**
 * The end of a statement whose last parameter is how many rows it gives at most. SQLite (since 3.47) plans by the value of
 * a limit that is nothing but a parameter, and for that plans the statement anew whenever it is run, which takes
 * longer than most of them; a sum is no such value.
 */
export const LIMIT = 'LIMIT ? + 0';
