import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

// The documentation as a site, as it was built by `npm run build --prefix site`.
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('.', import.meta.url)),
    include: ['*.test.ts'],
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
