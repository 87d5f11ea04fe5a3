/**
 * Error of a store that cannot be opened for a reason that an operator can fix. The message is complete, so it is printed
 * without a stack. Nothing in the store was changed.
 */
export class StoreOpenError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StoreOpenError';
  }
}

/** Error of a migration that is impossible, or would lose data; the message is the whole plan. */
export class MigrationRefusedError extends StoreOpenError {
  constructor(message: string) {
    super(message);
    this.name = 'MigrationRefusedError';
  }
}

/** Error of a file that is damaged, or is not a store of this product. It was not changed. */
export class DamagedStoreError extends StoreOpenError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'DamagedStoreError';
  }
}

/** Describes for people why the database driver could not be loaded; undefined when the error is another one. */
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
