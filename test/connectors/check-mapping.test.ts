import { describe, expect, test } from 'vitest';
import { StartError } from '../../src/config/files/diagnostic.ts';
import { describeFlows } from '../../src/connectors/flows/describe.ts';
import { readFlowsOf } from './flow-harness.ts';

const SCHEMA = `enum State { open paid }
type Address { street: String!  zip: Int }
type Order @table @export {
  id: ID! @primaryKey
  title: String!
  state: State
  number: Int
  total: Float
  tags: [String!]
  address: Address
  extra: JSON
  customerId: ID
  customer: Customer @relationship(from: "customerId")
  upper: String @computed(from: "upper(title)")
  at: Date @createdTime
}
type Customer @table @export { id: ID! @primaryKey  name: String }
type Seen @table @export { id: ID! @primaryKey  at: Date @createdTime }
type Note @table @export @account(field: "owner", claim: "sub") { id: ID! @primaryKey  owner: ID!  text: String  kind: String! @default(value: "x") }
`;

/** Every mistake as `line:column message | hint`. */
async function mistakes(flow: string, schema = SCHEMA): Promise<string[]> {
  const config = `connectors: {ws: {type: websocket}, hooks: {type: http, url: "https://example.com"}}\nflows:\n  f:\n${flow}`;
  try {
    await readFlowsOf(config, schema);
    return [];
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return error.diagnostics.map(({ at, message, hint }) => `${at.line}:${at.column} ${message} | ${hint ?? ''}`);
  }
}

const TO_ORDER = '    to: {connector: table, operation: create, target: Order}\n';
const FROM = '    from: {connector: ws, operation: message}\n';
const mapped = (transform: string, to = TO_ORDER) => mistakes(`${FROM}    transform: ${transform}\n${to}`);

describe('names and values of a transform are checked against the table', () => {
  test.each([
    [
      '{titel: input.t, title: input.t}',
      ['5:17 flows.f.transform.titel: Order has no field "titel" | did you mean "title"?'],
    ],
    [
      '{title: input.t, nothing_like: 1}',
      [
        '5:33 flows.f.transform.nothing_like: Order has no field "nothing_like" | there are: id, title, state, number, total, tags, address, extra, customerId',
      ],
    ],
    [
      '{title: input.t, upper: input.t}',
      ['5:33 flows.f.transform.upper: Order.upper is computed from other fields | leave it out'],
    ],
    ['{title: input.t, at: now}', ['5:33 flows.f.transform.at: Order.at is set by the server | leave it out']],
    [
      '{title: input.t, customer: input.c}',
      ['5:33 flows.f.transform.customer: Order.customer stands for records of Customer | set "customerId"'],
    ],
    ['{number: input.n}', ['5:5 flows.f.transform: Order.title is required | ']],
    ['{title: null}', ['5:17 flows.f.transform.title: Order.title must not be null | ']],
    ['{title: 5}', ['5:24 flows.f.transform.title: Order.title must be a string | ']],
    ['{title: input.t, address: {zip: 1}}', ['5:42 flows.f.transform.address: Order.address.street is required | ']],
    ['{title: [input.t]}', ['5:24 flows.f.transform.title: Order.title must be a string | ']],
    [
      '{title: input.t, state: "\'payd\'"}',
      ['5:40 flows.f.transform.state: Order.state must be one of open, paid; did you mean "paid"? | '],
    ],
    [
      '{title: input.t, number: 1.5}',
      ['5:41 flows.f.transform.number: Order.number must be an Int: an integer within ±(2^53−1) | '],
    ],
    [
      '{title: input.t, tags: input.t, address: {stret: input.s, street: input.s}}',
      ['5:58 flows.f.transform.address.stret: Order.address.stret is not a field of Address | did you mean "street"?'],
    ],
    ['{title: input.t, tags: [input.t, 5]}', ['5:49 flows.f.transform.tags[1]: Order.tags[1] must be a string | ']],
    [
      '\'{"titel": input.t}\'',
      [
        '5:5 flows.f.transform: Order.title is required | ',
        '5:16 flows.f.transform: Order has no field "titel" | did you mean "title"?',
      ],
    ],
    [
      '\'{"title": input.t, "state": "payd"}\'',
      ['5:16 flows.f.transform: Order.state must be one of open, paid; did you mean "paid"? | '],
    ],
  ])('%s', async (transform, expected) => {
    expect(await mapped(transform)).toEqual(expected);
  });

  test.each([
    '{title: input.t}',
    '{title: input.t, state: "\'paid\'", number: 5, total: 1.5, tags: [input.t], extra: {any: [1, {b: null}]}, address: {street: input.s, zip: 1}}',
    '{id: 5, title: input.t, customerId: input.c, state: null}',
    'input',
    '\'input.kind == "a" ? {"x": 1} : input\'',
    '\'{"title": input.t, "extra": {"any": 1}}\'',
    "'{input.name: 1}'",
  ])('%s is fine', async (transform) => {
    expect(await mapped(transform)).toEqual([]);
  });

  test('each table of a list of targets is checked, other targets are not', async () => {
    const to = `    to:
      - {connector: table, target: Order}
      - {connector: ws, operation: broadcast}
      - {connector: hooks, operation: POST}
      - {connector: table, operation: publish, target: Customer}
      - {connector: table, operation: upsert, target: Customer}
`;
    expect(await mapped('{title: input.t, name: input.n}', to)).toEqual([
      expect.stringMatching(/^5:17 flows\.f\.transform\.title: Customer has no field "title"/),
      expect.stringMatching(/^5:33 flows\.f\.transform\.name: Order has no field "name"/),
    ]);
    const elsewhere = '    to: [{connector: ws, operation: broadcast}, {connector: hooks, operation: POST}]\n';
    expect(await mapped('{anything: input.t}', elsewhere)).toEqual([]);
  });

  test.each([
    ['update', '{title: input.t}', ['5:5 flows.f.transform: update needs the key "id" of Order | ']],
    ['delete', '{title: input.t}', ['5:5 flows.f.transform: delete needs the key "id" of Order | ']],
    ['update', '{id: input.i, number: 1}', []],
    ['delete', '{id: input.i, anything: 1}', []],
    ['upsert', '{id: input.i}', ['5:5 flows.f.transform: Order.title is required | ']],
    ['publish', '{anything: 1}', []],
  ])('%s with %s', async (operation, transform, expected) => {
    expect(await mapped(transform, TO_ORDER.replace('create', operation))).toEqual(expected);
  });

  test('a field that is filled in is not missing', async () => {
    expect(await mapped('{text: input.t}', TO_ORDER.replace('Order', 'Note'))).toEqual([]);
  });

  test('values from the environment do not appear in messages', async () => {
    expect(await mapped(`"\${SHAPE:-{'hunter2': 1}}"`)).toEqual([]);
  });
});

describe('an input that always has the same members is checked against the table', () => {
  const from = (source: string, to: string) =>
    mistakes(`    from: {connector: ${source}}\n    to: {connector: table, ${to}}\n`);
  const CHANGE = 'table, operation: change, table: Customer';
  const TIMER = 'schedule, operation: tick, every: 1h';

  test.each([
    [TIMER, 'target: Customer', 'event, name, time: ', undefined],
    [
      TIMER,
      'target: Seen',
      'event, name, time: Seen has none of these fields',
      'write `transform:` with fields of Seen (id)',
    ],
    [TIMER, 'operation: delete, target: Seen', 'the key "id" is not among them', undefined],
    [CHANGE, 'operation: upsert, target: Order', 'Order has only the key "id"', 'write `transform:`'],
    [CHANGE, 'operation: update, target: Customer', 'Customer has only the key "id"', undefined],
  ])('from %s to %s', async (source, to, message, hint) => {
    const found = await from(source, to);
    if (message.endsWith(': ')) expect(found).toEqual([]);
    else expect(found).toEqual([expect.stringContaining(message)]);
    if (hint !== undefined) expect(found[0]).toContain(hint);
  });

  test.each([
    [CHANGE, 'operation: delete, target: Order'],
    [CHANGE, 'target: Seen'],
    [CHANGE, 'operation: publish, target: Order'],
    [TIMER, 'operation: publish, target: Order'],
  ])('from %s to %s is fine', async (source, to) => {
    expect(await from(source, to)).toEqual([]);
  });
});

test('the table connector creates where no operation is written', async () => {
  const flow = '    to: {connector: table, target: Customer}\n    transform: {name: input.n}\n';
  const config = `connectors: {ws: {type: websocket}}\nflows:\n  f:\n${FROM}${flow}`;
  const plan = await readFlowsOf(config, SCHEMA);
  expect(plan.flows[0]?.targets[0]).toMatchObject({ label: 'table create Customer', use: { operation: 'create' } });
  expect(describeFlows(plan)).toContain('    to     table create Customer (as caller)');
  const missing = await mistakes('    from: {connector: table, table: Order}\n    to: {connector: ws}\n');
  expect(missing).toEqual([
    '4:5 "flows.f.from.operation" is missing | write `operation:` (create, update, delete, change)',
    expect.stringMatching(/^5:5 "flows\.f\.to\.operation" is missing \| write `operation:` \(broadcast, /),
  ]);
  expect(await mistakes(`${FROM}    to: {connector: table, operation: 5, target: Order}\n`)).toHaveLength(1);
});
