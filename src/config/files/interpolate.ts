import type { Reading } from '../keys/units.ts';

/** The text that a variable that is not set stands for where it may be missing. */
export const STAND_IN: unique symbol = Symbol('stand-in');

export type Environment = Readonly<Record<string, string | undefined>> & { readonly [STAND_IN]?: string };

/** As long as a secret has to be, and a name of a host, too. */
const UNSET = 'a-variable-that-is-not-set-in-this-environment';
/** What it may stand for where only something else fits. */
const OTHERS: readonly unknown[] = [
  `https://${UNSET}.invalid/`,
  `amqps://${UNSET}.invalid`,
  `wss://${UNSET}.invalid`,
  1,
  '1m',
  true,
];

/** The environment of a command that starts no server: secrets that are not set are no mistake there. */
export function withoutSecrets(env: Environment): Environment {
  return { ...env, [STAND_IN]: UNSET };
}

/** What `read` makes of a value, or of another stand-in where the value is one. */
export function readOrStandIn<T>(value: unknown, read: (value: unknown) => Reading<T>): Reading<T> {
  const reading = read(value);
  if ('value' in reading || value !== UNSET) return reading;
  return OTHERS.map((other) => read(other)).find((other) => 'value' in other) ?? reading;
}

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
