import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { loadPlan } from '../../src/schema/sdl/build.ts';
import { makeApp, mistakesOf } from '../config/folders.ts';

test('the plan of an application carries its app_id and the switches of its config.yaml', () => {
  const { app } = loadConfig(makeApp('app_id: other\nsse: false\n'), {});
  const plan = loadPlan(app);
  expect(plan.appId).toBe('other');
  expect([...(plan.tables[0]?.transports ?? [])]).toEqual(['rest', 'ws']);
});

test('a schema that was deleted after the configuration was read is reported', () => {
  const { app } = loadConfig(makeApp(''), {});
  rmSync(join(app.dir, 'schema.graphql'));
  expect(mistakesOf(() => loadPlan(app))).toEqual(['schema.graphql does not exist']);
  expect(mistakesOf(() => loadPlan(app, join(app.dir, '..')))).toEqual(['my-app/schema.graphql does not exist']);
});
