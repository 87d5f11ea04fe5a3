/**
 * Key that no object in a value may have, at any depth and in any content type. Decoders cannot represent it: some refuse
 * the whole message (@msgpack/msgpack), some rename it (cbor-x, msgpackr), and where objects are built by assignment it
 * becomes the prototype. All of them preserve `constructor`, `prototype` and every other name, which are plain data.
 */
export const FORBIDDEN_KEY = '__proto__';

/** The key as JSON.stringify writes it. */
export const FORBIDDEN_KEY_TEXT = `"${FORBIDDEN_KEY}"`;

/** Error message for a value that has the key. */
export const FORBIDDEN_KEY_MESSAGE = `must not have the key ${FORBIDDEN_KEY_TEXT}, which many decoders refuse or change`;

/** Removes the key from JSON that is returned to clients: records stored before the key was refused may have it. */
export function withoutForbiddenKeys(json: string): string {
  return json.includes(FORBIDDEN_KEY_TEXT) ? removeForbiddenKeys(json) : json;
}

/** Iterative, since the sender chooses the depth. Returns the same string when the key occurs only as a value. */
export function removeForbiddenKeys(json: string): string {
  const root: unknown = JSON.parse(json);
  const open: unknown[] = [root];
  let removed = false;
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    if (typeof item !== 'object' || item === null) continue;
    const holder = item as Record<string, unknown>;
    if (Object.hasOwn(holder, FORBIDDEN_KEY)) {
      delete holder[FORBIDDEN_KEY];
      removed = true;
    }
    for (const member of Object.values(holder)) open.push(member);
  }
  return removed ? JSON.stringify(root) : json;
}
