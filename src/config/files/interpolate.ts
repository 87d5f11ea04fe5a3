import type { Reading } from '../keys/units.ts';

/** Key of the text that replaces variables that are not set, for commands that accept them. */
export const STAND_IN: unique symbol = Symbol('stand-in');

export type Environment = Readonly<Record<string, string | undefined>> & { readonly [STAND_IN]?: string };

/** Stand-in for variables that are not set: long enough for a secret, and valid as a host name. */
const UNSET = 'a-variable-that-is-not-set-in-this-environment';
/** Stand-ins for keys that accept neither. */
const OTHER_STAND_INS: readonly unknown[] = [
  `https://${UNSET}.invalid/`,
  `amqps://${UNSET}.invalid`,
  `wss://${UNSET}.invalid`,
  `postgres://${UNSET}.invalid/data`,
  1,
  '1m',
  true,
];

/** Returns the environment for commands that start no server: there, secrets may be unset. */
export function withoutSecrets(env: Environment): Environment {
  return { ...env, [STAND_IN]: UNSET };
}

/** Reads a value. Where the value is the stand-in and does not fit, reads another stand-in instead. */
export function readOrStandIn<T>(value: unknown, read: (value: unknown) => Reading<T>): Reading<T> {
  const reading = read(value);
  if ('value' in reading || value !== UNSET) return reading;
  return OTHER_STAND_INS.map((other) => read(other)).find((other) => 'value' in other) ?? reading;
}

// Matches `$${`, the escape for `${`; then a well-formed use; then anything else that begins like one, which is a mistake.
const USE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{/g;

/** True when the text contains a use of a variable. */
export function isInterpolated(text: string): boolean {
  return text.includes('${');
}

/** True when the text is exactly one use: then the result may be a number or a boolean. */
export function isWhollyInterpolated(text: string): boolean {
  return /^\$\{[A-Za-z_][A-Za-z0-9_]*(?::-[^}]*)?\}$/.test(text);
}

/** Replaces `${NAME}` and `${NAME:-default}`. The default also replaces an empty variable, as in a shell. */
export function interpolate(text: string, env: Environment, mayBeUnset = false): Reading<string> {
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
    if (given === undefined && mayBeUnset && env[STAND_IN] !== undefined) return env[STAND_IN];
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
