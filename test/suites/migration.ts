import type { MigratedEngine } from './migration/harness.ts';
import { renamesSuite } from './migration/renames.ts';

/** What every engine must do when a schema changes. Call it inside of a `describe`. */
export function migrationSuite(subject: MigratedEngine): void {
  renamesSuite(subject);
}
