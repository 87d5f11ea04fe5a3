import { afterAll, describe } from 'vitest';
import { faultsSuite } from '../../suites/migration/faults.ts';
import { schemaContents } from '../../support/postgres/contents.ts';
import { endSessionAt } from '../../support/postgres/faults.ts';
import { reason, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

describe.skipIf(unreachable !== undefined)(`the PostgreSQL engine, whose connection ends${reason}`, () => {
  faultsSuite({
    engine: schemas.engine(),
    isShared: true,
    contents: (dir) => schemaContents(schemas.of(dir)),
    faultAt: endSessionAt,
    // Of the driver, or of the engine.
    isCaused: () => true,
    beginsAnew: false,
  });
});
