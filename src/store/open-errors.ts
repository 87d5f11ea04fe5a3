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
