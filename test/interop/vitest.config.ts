import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The clients and tools of others against the built server. Each file is a program or two of its own, on shared machines.
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.test.ts'],
    server: { deps: { external: [/\/dist\//] } },
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: process.env.CI === 'true' ? 1 : 0,
  },
});
