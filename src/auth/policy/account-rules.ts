/** Rules for names, passwords, roles and claims of users and keys. Each function returns a problem, or undefined. */

const MAX_NAME_CHARS = 128;
const MAX_PASSWORD_CHARS = 256;
const MIN_PASSWORD_CHARS = 8;
const MAX_ROLES = 100;

/** Claims whose meaning in a token differs from what their author might expect. */
const RESERVED_CLAIMS: ReadonlySet<string> = new Set(
  ['sub', 'roles', 'name', 'iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'constructor', 'prototype'], //
);

/** Returns the form that is hashed: keyboards write the same letters in several ways (NIST SP 800-63B §5.1.1.2). */
export function normalizePassword(password: string): string {
  return password.normalize('NFKC');
}

export function nameProblem(name: string): string | undefined {
  if (name === '') return 'is empty';
  // Counting the characters of an unbounded string would take too long.
  if (name.length > 2 * MAX_NAME_CHARS || [...name].length > MAX_NAME_CHARS)
    return `has more than ${MAX_NAME_CHARS} characters`;
  if (!name.isWellFormed()) return 'is not well-formed Unicode';
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(name)) return 'has a control character';
  return name.trim() === name ? undefined : 'begins or ends with a space';
}

export function passwordProblem(password: string): string | undefined {
  if (!password.isWellFormed()) return 'is not well-formed Unicode';
  const length = isTooLong(password) ? Number.POSITIVE_INFINITY : [...normalizePassword(password)].length;
  if (length >= MIN_PASSWORD_CHARS && length <= MAX_PASSWORD_CHARS) return undefined;
  return `must have ${MIN_PASSWORD_CHARS} to ${MAX_PASSWORD_CHARS} characters`;
}

/** True for a string that cannot be a password, in whatever form it is compared. */
export function isTooLong(password: string): boolean {
  // A character takes up to two units, and up to 18 characters are one after normalisation.
  return password.length > MAX_PASSWORD_CHARS * 36;
}

export function rolesProblem(roles: readonly string[]): string | undefined {
  if (roles.length > MAX_ROLES) return `there may be ${MAX_ROLES} roles at most`;
  const wrong = roles.find((role) => !/^[\w.:-]{1,64}$/.test(role));
  if (wrong === undefined) return undefined;
  return `role ${JSON.stringify(wrong)}: a role has 1 to 64 letters, digits, "_", "-", "." and ":"`;
}

export function claimProblem(name: string): string | undefined {
  if (!/^[A-Za-z]\w{0,63}$/.test(name))
    return `claim ${JSON.stringify(name)}: a claim has a name of letters, digits and "_"`;
  return RESERVED_CLAIMS.has(name) ? `claim "${name}" is the server's own` : undefined;
}
