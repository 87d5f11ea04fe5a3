import type { Reading } from '../keys/units.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

// `$${` is a written-out `${`; then a well-formed use; then anything else that begins like one, which is a mistake.
const USE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/** True when the text has something to fill in. */
export function isInterpolated(text: string): boolean {
  return text.includes('${');
}

/** True when the text is one use and nothing else: then the result may be a number or a boolean. */
export function isWhollyInterpolated(text: string): boolean {
  return /^\$\{[A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?\}$/.test(text);
}

/** Fills in `${NAME}` and `${NAME:-default}`; the default also stands for an empty variable, as in a shell. */
export function interpolate(text: string, env: Environment): Reading<string> {
  const missing = new Set<string>();
  let malformed = false;
  const value = text.replace(USE, (use, name: string | undefined, fallback: string | undefined) => {
    if (use === '$${') return '${';
    if (name === undefined) {
      malformed = true;
      return use;
    }
    const given = env[name];
    if (fallback !== undefined) return given === undefined || given === '' ? fallback : given;
    if (given === undefined) missing.add(name);
    return given ?? '';
  });
  if (malformed) {
    return {
      message: `unfinished \${…}`,
      hint: `write \${NAME} or \${NAME:-default}; for the characters themselves $\${`,
    };
  }
  const [first] = missing;
  if (first !== undefined) {
    const names = [...missing].join(', ');
    return { message: `environment variable ${names} is not set`, hint: `set it, or give a default: \${${first}:-…}` };
  }
  return { value };
}
