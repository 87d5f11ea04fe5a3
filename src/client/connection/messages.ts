/** Parses text as JSON where possible. Bytes stay bytes. */
export function parseMessage(data: unknown): unknown {
  if (typeof data !== 'string') return data;
  try {
    return JSON.parse(data);
  } catch {
    return data;
  }
}

/** Serializes a message: text and bytes as they are, any other value as JSON. */
export function printMessage(message: unknown): string | Uint8Array {
  if (typeof message === 'string' || message instanceof Uint8Array) return message;
  return message instanceof ArrayBuffer ? new Uint8Array(message) : JSON.stringify(message);
}
