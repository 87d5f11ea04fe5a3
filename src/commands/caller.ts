import { ANONYMOUS, type Identity } from '../auth/identity.ts';
import type { JsonValue } from '../schema/plan.ts';
import { UsageError } from './options.ts';

const MAX_STEPS = 4;

/** Parses the caller of `--as`: `anonymous`, or `sub=u1,roles=editor,org.id=o1`; a name given twice is a list. */
export function parseCaller(text: string): Identity {
  if (text === 'anonymous') return ANONYMOUS;
  const given = new Map<string, string[]>();
  for (const part of text.split(',')) {
    const [, name = '', value = ''] = /^\s*([A-Za-z][\w.-]*)\s*=(.*)$/.exec(part) ?? [];
    if (name === '' || name.split('.').length > MAX_STEPS)
      throw new UsageError(`--as "${part}" is not a claim: write sub=u1,roles=editor, or anonymous`);
    given.set(name, [...(given.get(name) ?? []), value]);
  }
  const sub = given.get('sub')?.[0];
  if (sub === undefined || sub === '') throw new UsageError('--as needs sub=<id>: the subject of the caller');
  const claims: Record<string, JsonValue> = {};
  for (const [name, values] of given) {
    if (name === 'sub' || name === 'roles') continue;
    const typed = values.map(typedValue);
    setClaim(claims, name.split('.'), typed.length === 1 ? (typed[0] as JsonValue) : typed);
  }
  return { type: 'principal', sub, roles: given.get('roles') ?? [], claims, expiresAt: undefined };
}

/** Numbers, true and false are what they look like, as in a token. */
function typedValue(text: string): JsonValue {
  return /^(?:-?\d{1,15}|true|false)$/.test(text) ? (JSON.parse(text) as JsonValue) : text;
}

function setClaim(claims: Record<string, JsonValue>, [step = '', ...rest]: readonly string[], value: JsonValue): void {
  if (rest.length === 0) {
    claims[step] = value;
    return;
  }
  const own = Object.hasOwn(claims, step) ? claims[step] : undefined;
  const isInner = typeof own === 'object' && own !== null && !Array.isArray(own);
  const inner = isInner ? { ...(own as Record<string, JsonValue>) } : {};
  setClaim(inner, rest, value);
  claims[step] = inner;
}
