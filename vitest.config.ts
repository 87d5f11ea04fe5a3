import { defineConfig } from 'vitest/config';
import { LongFirst } from './test/support/long-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // With dependencies of their own: npm run interop, npm run site.
    exclude: ['test/interop/**', 'test/site/**', '**/node_modules/**'],
    // The built program runs as it is: nothing of it is to be transformed again.
    server: { deps: { external: [/\/dist\//] } },
    // Two cores: a third worker has them while the others wait for processes and sockets.
    maxWorkers: 3,
    sequence: { sequencer: LongFirst },
    // Of some black-box tests the servers then run where their lines are counted.
    env: process.argv.includes('--coverage') ? { TEST_IN_PROCESS: '1' } : {},
    // Bounds for what never comes: tests wait for events and no longer than those take, on busy machines, too.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 30_000, interval: 20 } },
    // Black-box tests talk to processes over sockets, on machines that others use too. The runner reports what it had to
    // repeat; the property tests, whose failures are never about time, are not repeated.
    retry: process.env.CI === 'true' ? 1 : 0,
    coverage: {
      provider: 'v8',
      include: ['src/**/*.ts'],
      exclude: [
        // Only ever run as processes of their own, by test/commands, test/e2e, test/hardening and test/browser.
        'src/cli.ts',
        'src/commands/**',
        // Nothing but types and re-exports.
        'src/index.ts',
        'src/config/config.ts',
        'src/schema/plan.ts',
        'src/query/ast.ts',
        'src/store/store.ts',
        'src/transports/transport.ts',
      ],
      reporter: ['text-summary', 'text'],
      // Users and flows on PostgreSQL, and moving records, are tested through processes of their own, whose lines do not count.
      thresholds: { lines: 94 },
    },
  },
});
