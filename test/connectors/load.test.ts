import { expect, test } from 'vitest';
import { StartError } from '../../src/config/files/diagnostic.ts';
import { describeFlows } from '../../src/connectors/flows/describe.ts';
import { readFlowsOf } from './flow-harness.ts';

/** Every mistake as `line:column message | hint`. */
async function mistakes(config: string): Promise<string[]> {
  try {
    await readFlowsOf(config);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return error.diagnostics.map(({ at, message, hint }) => `${at.line}:${at.column} ${message} | ${hint ?? ''}`);
  }
  return [];
}

const GOOD = `connectors:
  timer: {type: schedule}
flows:
  copy:
    from: {connector: table, operation: create, table: Order, filter: number>10}
    when: input.record.status == "paid"
    transform:
      id: input.id
      number: input.record.number + 1
    to:
      - {connector: table, operation: upsert, target: Copy}
      - {connector: table, operation: publish, target: Order, as: caller}
    retry: {attempts: 3, delay: 10ms, max_delay: 1s}
    timeout: 2s
    concurrency: 4
  nightly:
    from: {connector: timer, operation: night, cron: 0 3 * * *, timezone: Europe/Berlin}
    transform: '{"id": string(now)}'
    to: {connector: table, operation: create, target: Copy}
`;

test('flows are read and described', async () => {
  const plan = await readFlowsOf(GOOD);
  expect(plan.connectors.map(({ name, typeName }) => [name, typeName])).toEqual([
    ['timer', 'schedule'],
    ['table', 'table'],
  ]);
  const [copy, nightly] = plan.flows;
  expect(copy).toMatchObject({
    name: 'copy',
    source: { connector: 'table', use: { operation: 'create', settings: { table: 'Order', filter: 'number>10' } } },
    retry: { attempts: 3, delay: 10, maxDelay: 1000 },
    timeout: 2000,
    concurrency: 4,
  });
  expect(nightly).toMatchObject({
    retry: { attempts: 5, delay: 1000, maxDelay: 60_000 },
    timeout: 30_000,
    concurrency: 10,
  });
  expect(copy?.targets.map(({ as, label, use }) => [as, label, use.target])).toEqual([
    ['server', 'table upsert Copy', 'Copy'],
    ['caller', 'table publish Order', 'Order'],
  ]);
  const scope = {
    input: { id: 'a', record: { status: 'paid', number: 11 } },
    auth: { sub: null, roles: [] },
    now: new Date(0),
  };
  expect(copy?.when?.(scope)).toBe(true);
  expect(copy?.transform?.(scope)).toEqual({ id: 'a', number: 12 });
  expect(nightly?.transform?.(scope)).toEqual({ id: '1970-01-01T00:00:00.000Z' });
  expect(describeFlows(plan)).toEqual([
    '',
    'connectors',
    '  timer    schedule',
    '  table',
    '',
    'flows',
    '  copy',
    '    from   table create table=Order filter=number>10, when …, transformed',
    '    to     table upsert Copy (as server)',
    '    to     table publish Order (as caller)',
    '    up to 3 attempts, then a dead letter',
    '  nightly',
    '    from   timer night cron=0 3 * * * timezone=Europe/Berlin, transformed',
    '    to     table create Copy (as server)',
    '    up to 5 attempts, then a dead letter',
  ]);
  expect(describeFlows(undefined)).toEqual([]);
});

test.each([
  ['transform: {number: input.n}', true],
  ['transform: {number: size(input.body)}', false],
  ['transform: {number: "has(input.body) ? 1 : 2"}', false],
  ['transform: {number: \'input["body"]\'}', false],
  ['transform: {number: \'input["n"]\'}', true],
  ['transform: {number: "input[input.name]"}', false],
  ['transform: input', false],
  ['transform: {number: "[1].map(x, input.body)[0]"}', false],
  ['{when: has(input.body), transform: {number: 1}}', false],
  ['concurrency: 2', false],
])('%s: whether a flow leaves the body out is known at the start', async (more, ignoresBody) => {
  const lines = more.startsWith('{') ? more.slice(1, -1).replace(', transform', '\n    transform') : more;
  const config = `flows:
  f:
    from: {connector: http, operation: POST /in}
    ${lines}
    to: {connector: table, operation: create, target: Copy}
`;
  expect((await readFlowsOf(config)).flows[0]?.ignoresBody).toBe(ignoresBody);
});

test('a transform may have constants, lists and mappings in it', async () => {
  const config = `flows:
  f:
    from: {connector: schedule, operation: s, every: 1m}
    transform:
      text: '"x"'
      number: 1
      yes: true
      nothing: null
      list: [input.name, 2, {deep: now}]
    to: {connector: table, operation: publish, target: Copy}
`;
  const { flows } = await readFlowsOf(config);
  const scope = { input: { name: 's' }, auth: { sub: null, roles: [] }, now: new Date(0) };
  expect(flows[0]?.transform?.(scope)).toEqual({
    text: 'x',
    number: 1,
    yes: true,
    nothing: null,
    list: ['s', 2, { deep: '1970-01-01T00:00:00.000Z' }],
  });
});

test.each([
  [
    'connectors',
    'connectors: {ws: {type: websockets}, t: {type: tabel}, u: {type: table, nope: 1}, v: {port: 1}, w: 5, "a b": {type: table}}\n',
    [
      /^1:25 connectors\.ws\.type: unknown type "websockets" \|/,
      /^1:48 connectors\.t\.type: unknown type "tabel" \| did you mean "table"\?/,
      /^1:73 unknown key "connectors\.u\.nope"/,
      /^1:83 "connectors\.v\.type" is missing \| write `type:`/,
      /^1:100 expected keys and values in connectors\.w/,
      /^1:103 "a b" cannot be a name/,
    ],
  ],
  [
    'unknown connector and operation',
    'flows:\n  f:\n    from: {connector: tabel, operation: create}\n    to: {connector: table, operation: crate, target: Copy}\n',
    [
      /^3:23 flows\.f\.from\.connector: there is no connector "tabel" \| did you mean "table"\?/,
      /^4:39 table \(table\) has no target operation "crate" \| did you mean "create"\?/,
    ],
  ],
  [
    'targets that are none',
    'flows:\n  f:\n    from: {connector: table, operation: create, table: Ordr}\n    to: [{connector: table, operation: create, target: Cpy}, {connector: table, operation: create}, {connector: schedule, operation: x}]\n',
    [/^4:62 "flows\.f\.to\[1\]\.target" is missing/, /^4:\d+ schedule \(schedule\) cannot be the target of a flow/],
  ],
  [
    'tables that are not there',
    'flows:\n  f:\n    from: {connector: table, operation: create, table: Ordr}\n    to: {connector: table, operation: create, target: Cpy}\n',
    [
      /^3:56 flows\.f\.from\.table: there is no exported table "Ordr" \| did you mean "Order"\?/,
      /^4:55 flows\.f\.to\.target: there is no exported table "Cpy" \| did you mean "Copy"\?/,
    ],
  ],
  [
    'a key of the source',
    'flows:\n  f:\n    from: {connector: table, operation: create, table: Order, filter: nope==1, start: later}\n    to: {connector: table, operation: create, target: Copy}\n',
    [/^3:87 flows\.f\.from\.start: expected one of now, oldest/],
  ],
  [
    'a filter',
    'flows:\n  f:\n    from: {connector: table, operation: create, table: Order, filter: nope==1}\n    to: {connector: table, operation: publish, target: Copy}\n',
    [/^3:71 flows\.f\.from\.filter: .*nope/],
  ],
  [
    'expressions and keys of a flow',
    'flows:\n  f:\n    from: {connector: schedule, operation: s, every: 1s}\n    when: input.x +\n    transform: {id: foo, number: 1}\n    to: {connector: table, operation: create, target: Copy, as: root}\n    retry: {attempts: 0, dela: 1s}\n    timeut: 1s\n',
    [
      /^4:11 flows\.f\.when: Unexpected token: EOF/,
      /^5:21 flows\.f\.transform\.id: Unknown variable: foo/,
      /^6:65 flows\.f\.to\.as: expected one of caller, server/,
      /^7:23 flows\.f\.retry\.attempts: expected an integer from 1 to 100/,
      /^7:26 unknown key "flows\.f\.retry\.dela" \| did you mean "delay"\?/,
      /^8:5 unknown key "flows\.f\.timeut" \| did you mean "timeout"\?/,
    ],
  ],
  [
    'what is missing',
    'flows:\n  f:\n    when: [1]\n',
    [
      /^2:3 "flows\.f\.from" is missing/,
      /^2:3 "flows\.f\.to" is missing/,
      /^3:11 flows\.f\.when: expected an expression/,
    ],
  ],
  ['a flow that is none', 'flows:\n  f: 5\n', [/^2:6 expected keys and values in flows\.f, found a number/]],
  ['an empty flow', 'flows:\n  f:\n', [/^2:3 "flows\.f" has no `from:`/]],
  [
    'places that are none',
    'flows:\n  f:\n    from: table\n    to: []\n',
    [/^3:11 expected keys and values in flows\.f\.from/, /^4:5 "flows\.f\.to" names no target/],
  ],
  [
    'places without names',
    'flows:\n  f:\n    from: {connector: table}\n    to: {operation: create}\n',
    [/^3:5 "flows\.f\.from\.operation" is missing/, /^4:5 "flows\.f\.to\.connector" is missing/],
  ],
] as const)('mistakes are told where they stand: %s', async (_name, config, expected) => {
  const found = await mistakes(config);
  expect(found).toEqual(expected.map((message) => expect.stringMatching(message)));
});

test('times that never come and unknown time zones are reported', async () => {
  const flow = (name: string, from: string) =>
    `  ${name}:\n    from: {connector: schedule, operation: s, ${from}}\n    to: {connector: table, operation: publish, target: Copy}\n`;
  const config = `flows:\n${flow('a', 'cron: 61 * * * *')}${flow('b', 'cron: 0 0 30 2 *')}${flow('c', 'cron: "2030-01-01"')}${flow('d', 'every: 1s, timezone: Mars/Olympus')}${flow('e', 'every: 1s, cron: "* * * * *"')}`;
  expect(await mistakes(config)).toEqual([
    expect.stringMatching(/^3:53 flows\.a\.from\.cron: /),
    expect.stringMatching(/^6:53 flows\.b\.from\.cron: it never comes/),
    expect.stringMatching(/^9:53 flows\.c\.from\.cron: expected five or six fields/),
    expect.stringMatching(/^12:68 flows\.d\.from\.timezone: there is no such time zone/),
    expect.stringMatching(/^15:11 flows\.e\.from needs either cron or every/),
  ]);
});

test('values from the environment do not appear in messages', async () => {
  const config = `flows:
  f:
    from: {connector: schedule, operation: s, every: 1s}
    when: "\${SECRET_EXPRESSION:-hunter2 +}"
    to: {connector: table, operation: publish, target: Copy}
`;
  const found = await mistakes(config);
  expect(found.join()).not.toContain('hunter2');
  expect(found).toHaveLength(1);
});
