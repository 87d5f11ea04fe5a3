import { afterAll, describe } from 'vitest';
import { storeSuite } from '../../suites/store.ts';
import { reason, TestSchemas, unreachable } from '../../support/postgres/server.ts';

const schemas = new TestSchemas();
afterAll(() => schemas.drop());

describe.skipIf(unreachable !== undefined)(`the PostgreSQL engine${reason}`, () => {
  storeSuite({ engine: schemas.engine(), isShared: true });
});
