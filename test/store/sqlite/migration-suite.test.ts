import { join } from 'node:path';
import { describe } from 'vitest';
import { sqliteEngine } from '../../../src/store/sqlite/engine.ts';
import { migrationSuite } from '../../suites/migration.ts';
import { fileContents } from '../stores.ts';

describe('the embedded engine', () => {
  migrationSuite({ engine: sqliteEngine, contents: async (dir) => fileContents(join(dir, 'data.db')) });
});
