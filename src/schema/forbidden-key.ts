/**
 * The one key that no object in a value may have, at any depth and in any content type. Decoders cannot hold it: some
 * refuse the whole message (@msgpack/msgpack), some rename it (cbor-x, msgpackr), and where objects are made by assignment it
 * becomes the prototype. `constructor`, `prototype` and all other names are kept by all of them, and are plain data.
 */
export const FORBIDDEN_KEY = '__proto__';

/** How it stands in JSON text that JSON.stringify has written. */
export const FORBIDDEN_KEY_TEXT = `"${FORBIDDEN_KEY}"`;

/** For an error about the value that has it. */
export const FORBIDDEN_KEY_MESSAGE = `must not have the key ${FORBIDDEN_KEY_TEXT}, which many decoders refuse or change`;

/** JSON text as it is given out: without members of this name, which may be stored since before they were refused. */
export function withoutForbiddenKeys(json: string): string {
  return json.includes(FORBIDDEN_KEY_TEXT) ? removeForbiddenKeys(json) : json;
}

/** Not recursive: the depth is the sender's choice. A text that has it as a value only stays as it is. */
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
