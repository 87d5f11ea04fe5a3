/**
 * A store that cannot be opened for a reason that a person can mend: its message says everything, so that it is shown
 * without a stack. Nothing in the store was changed.
 */
export class StoreOpenError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreOpenError';
  }
}

/** The schema cannot follow what is stored, or not without losing data; the message is the whole plan. */
export class MigrationRefusedError extends StoreOpenError {
  constructor(message: string) {
    super(message);
    this.name = 'MigrationRefusedError';
  }
}

/** The file is damaged, or is no store of this product. It was left as it is. */
export class DamagedStoreError extends StoreOpenError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DamagedStoreError';
  }
}

/** Why the database driver could not be loaded, for people; undefined when the error is another one. */
export function describeDriverError(error: Error & { readonly code?: unknown }): string | undefined {
  const { message, code } = error;
  const isMissing = message.startsWith('Could not locate the bindings file');
  // Another version of Node, another system, or another C library.
  const isForeign = code === 'ERR_DLOPEN_FAILED' && /better[_-]sqlite3/.test(message);
  if (!isMissing && !isForeign) return undefined;
  const why = isMissing ? 'has no compiled binary' : 'was compiled for another Node.js or system';
  const here = `Node.js ${process.versions.node}, ${process.platform}-${process.arch}`;
  return `better-sqlite3 ${why} (here: ${here}); run: npm rebuild better-sqlite3 (with pnpm: pnpm approve-builds)`;
}
