/** Sender and namespace of a key that a client has made. */
export interface IdempotencyScope {
  /** Identification of the caller. */
  readonly caller: readonly string[];
  /** Name of the type. */
  readonly table: string;
  /** Namespace of the client's key. */
  readonly space: string;
}

/** Returns the key that is unique among all senders. */
export function formatKey({ caller, table, space }: IdempotencyScope, key: string): string {
  return JSON.stringify([...caller, table, space, key]);
}

/** Returns the key under another name of the type; the same key when it is one of another type. */
export function renameTableInKey(text: string, from: string, to: string): string {
  const parts = JSON.parse(text) as string[];
  const at = parts.length - 3;
  if (parts[at] !== from) return text;
  return JSON.stringify(parts.with(at, to));
}
