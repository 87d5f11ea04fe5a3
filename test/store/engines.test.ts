import { describe } from 'vitest';
import { sqliteEngine } from '../../src/store/sqlite/engine.ts';
import { storeSuite } from '../suites/store.ts';
import { memoryEngine } from '../support/memory-engine/engine.ts';

describe('the embedded engine', () => storeSuite({ engine: sqliteEngine }));

describe('the embedded engine with durability full', () => {
  storeSuite({ engine: sqliteEngine, options: { durability: 'full' } });
});

describe('an engine in memory', () => storeSuite({ engine: memoryEngine() }));

describe('an engine that answers later', () => storeSuite({ engine: memoryEngine({ later: true }) }));
