import { fileURLToPath } from 'node:url';
import { defineConfig, mergeConfig } from 'vitest/config';
import base from '../../vitest.config.ts';
import { MUTANTS, mutate } from './mutants.mjs';

/** Tests of the sources with one fault in them; without `TABLECAST_MUTANT`, as they are. */
const mutant = MUTANTS.find(({ name }) => name === process.env.TABLECAST_MUTANT);

export default mergeConfig(
  base,
  defineConfig({
    root: fileURLToPath(new URL('../..', import.meta.url)),
    plugins: mutant === undefined ? [] : [mutate(mutant)],
    test: { bail: 1, retry: 0 },
  }),
);
