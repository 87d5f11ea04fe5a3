/**
 * End of a statement whose last parameter is the maximum of rows. SQLite (since 3.47) plans by the value of a limit that is
 * just a parameter, and for that plans the statement again at each run, which takes longer than most of them; a sum
 * prevents that.
 */
export const LIMIT = 'LIMIT ? + 0';
