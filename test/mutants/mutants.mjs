// Faults that the tests of several servers on one database must find. Each replaces one piece of the source; `tests` fail
// with it and pass without, and say so in words that match `shows`.

const CHECKER = 'test/cluster/checker.test.ts';
const SERVERS = 'test/cluster/servers.test.ts';
const NODES = 'test/store/postgres/nodes.test.ts';

/** Tests that start the built program are run with a build of the changed sources. */
export const MUTANTS = [
  {
    name: 'positions are taken without the lock of the order',
    file: 'src/store/postgres/log/layout.ts',
    from: '  PERFORM pg_advisory_xact_lock($order);\n',
    to: '',
    tests: [CHECKER, 'nothing happens'],
    isBuilt: true,
    shows: /subscriber \d+: (?:gap|\d+ after)|state at ready|lost:/,
  },
  {
    name: 'the newest position is read by a snapshot of before the lock',
    file: 'src/store/postgres/log/layout.ts',
    from: '  PERFORM pg_advisory_xact_lock($order);\n  SELECT last_value INTO prev FROM log_seq;',
    to: '  SELECT coalesce(max(seq), 0) INTO prev FROM log, (SELECT pg_advisory_xact_lock($order)) AS l;',
    tests: [CHECKER, 'nothing happens'],
    isBuilt: true,
    shows: /subscriber \d+: (?:gap|\d+ after)|state at ready|lost:/,
  },
  {
    name: 'a subscriber is ready at what this server has read',
    file: 'src/store/postgres/store.ts',
    from: 'return this.#tail.current();',
    to: 'return this.#tail.lastSeq;',
    tests: [CHECKER, 'every notification is swallowed'],
    isBuilt: true,
    shows: /state at ready|gap/,
  },
  {
    name: 'a position that is ahead of this server counts as never issued',
    file: 'src/store/postgres/store.ts',
    from: 'return (await this.#positions.isInLog(position)) && this.#tail.reach(position);',
    to: 'return false;',
    tests: [CHECKER, 'every notification is swallowed'],
    isBuilt: true,
    shows: /reset position_unknown/,
  },
  {
    name: 'a subscriber has a change before its writer is answered',
    file: 'src/store/postgres/records/commits.ts',
    from: 'tail.hold(batch);',
    to: '',
    tests: [NODES, 'before its writer is answered'],
    shows: /AssertionError/,
  },
  {
    name: 'the log is not looked at without a notification',
    file: 'src/store/postgres/log/tail.ts',
    from: 'await this.look().catch(() => {});',
    to: '',
    tests: [SERVERS, 'no notification reaches'],
    isBuilt: true,
    shows: /no frame|timed out|did not come|Timeout|ready/i,
  },
  {
    name: 'entries that another server has removed are not missed',
    file: 'src/store/postgres/log/log.ts',
    from: 'if (floor !== undefined) this.#logStart = Math.max(this.#logStart, floor);',
    to: '',
    tests: [NODES, 'other entries were removed after'],
    shows: /AssertionError/,
  },
  {
    name: 'a run of a schedule is known by the time at which it begins',
    file: 'src/connectors/schedule/source.ts',
    from: 'planned.getTime()',
    to: 'Date.now()',
    tests: [SERVERS, 'scheduled flow once'],
    isBuilt: true,
    shows: /AssertionError/,
  },
  {
    name: 'a commit whose answer was lost counts as failed',
    file: 'src/store/postgres/records/commits.ts',
    from: 'if (base !== undefined) return base;',
    to: '',
    tests: ['test/store/postgres/outcome.test.ts', 'is found in the log'],
    shows: /STORAGE_BUSY/,
  },
  {
    name: 'an outcome is stored though another server has the key',
    file: 'src/store/postgres/records/idempotency.ts',
    from: 'require(count(*) = $6)',
    to: 'require(count(*) <= $6)',
    tests: [NODES, 'a key that the other has used'],
    shows: /AssertionError/,
  },
  {
    name: 'a database that has lost the end of its log is not noticed',
    file: 'src/store/postgres/log/tail.ts',
    from: 'if (mark === this.#mark && isKnown) return false;',
    to: 'if (mark === this.#mark || isKnown) return false;',
    tests: ['test/cluster/failover.test.ts', ''],
    isBuilt: true,
    shows: /did not come/,
  },
  {
    name: 'an index has null as its largest value',
    file: 'src/store/postgres/migrate/ddl.ts',
    from: "' NULLS FIRST'",
    to: "''",
    tests: ['test/store/postgres/engine.test.ts', ''],
    shows: /AssertionError/,
  },
  {
    name: 'text has the order of a language',
    file: 'src/store/postgres/sql/types.ts',
    from: `'text COLLATE "C"'`,
    to: `'text COLLATE "und-x-icu"'`,
    tests: ['test/store/postgres/engine.test.ts', ''],
    shows: /AssertionError/,
  },
];

/** Returns the plugin of Vite and Rolldown that changes the source. */
export function mutate({ file, from, to }) {
  return {
    name: 'mutant',
    enforce: 'pre',
    transform(code, id) {
      if (!id.endsWith(`/${file}`)) return null;
      if (code.split(from).length !== 2) throw new Error(`${file} must have this once: ${from}`);
      return { code: code.replace(from, () => to), map: null };
    },
  };
}
