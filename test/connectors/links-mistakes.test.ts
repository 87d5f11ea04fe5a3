import { describe, expect, test } from 'vitest';
import { loadProject } from '../../src/boot/project.ts';
import { StartError } from '../../src/config/files/diagnostic.ts';
import { loadFlows } from '../../src/connectors/flows/load.ts';
import { makeFolder } from '../config/folders.ts';

const SCHEMA = 'type Order @table @export { id: ID! @primaryKey }\n';

/** `line: message` of every mistake in what stands in config.yaml. */
async function mistakesIn(config: string): Promise<string[]> {
  const dir = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': config });
  try {
    const { apps } = loadProject(dir, { RABBIT_URL: 'http://user:topsecret@x' });
    await loadFlows(apps);
    return [];
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return error.diagnostics.map(({ at, message, hint }) => `${at.line}: ${message}${hint ? ` | ${hint}` : ''}`);
  }
}

const TO = 'to: {connector: table, operation: create, target: Order}';

function fromHttp(operation: string, more = ''): string {
  return `flows:\n  a:\n    from: {connector: http, operation: "${operation}"${more}}\n    ${TO}\n`;
}

function toHttp(connector: string, operation = 'POST'): string {
  return `connectors:\n  hooks:\n    type: http\n    ${connector}\nflows:\n  a:\n    from: {connector: http, operation: POST /in}\n    to: {connector: hooks, operation: "${operation}"}\n`;
}

function rabbit(connector: string, flow: string): string {
  return `connectors:\n  mq:\n    type: rabbitmq\n    ${connector}\nflows:\n${flow}`;
}

const FROM_MQ = (operation: string, more = '') =>
  `  f${operation.length}${more.length}:\n    from: {connector: mq, operation: "${operation}"${more}}\n    ${TO}\n`;

const TO_MQ = (operation: string) =>
  `  f:\n    from: {connector: http, operation: POST /in}\n    to: {connector: mq, operation: "${operation}"}\n`;

const AMQP = 'url: amqp://localhost';

describe('mistakes in flows that begin with a request', () => {
  test.each([
    ['POST /orders/:id', 'nothing'],
    ['/orders', 'is not an operation of http'],
    ['FETCH /orders', 'is not an operation of http'],
    ['POST /orders x', 'is not an operation of http'],
    ['POST', 'has no path'],
    ['POST /', 'has no path'],
    ['POST orders', 'is not a path'],
    ['POST /a//b', 'is not a path'],
    ['POST /a/:x/:x', 'has a parameter twice'],
    ['POST /Order/x', '/Order is the address of the table Order'],
    ['POST /docs', 'is used by the server itself'],
    ['POST /metrics', 'is used by the server itself'],
    ['POST /my-app/x', 'is used by the server itself'],
    ['POST /:x', 'begins with a parameter'],
  ])('%s: %s', async (operation, expected) => {
    const mistakes = await mistakesIn(fromHttp(operation));
    if (expected === 'nothing') expect(mistakes).toEqual([]);
    else expect(mistakes).toEqual([expect.stringMatching(new RegExp(`^3: .*${expected}`))]);
  });

  test.each([
    [', access: everybody', 'expected authenticated or roles'],
    [', access: []', 'expected authenticated or roles'],
    [', access: [7]', 'a role is a string'],
    [', access: [boss]', 'authentication is off'],
    [', secret: short', 'at least 32 bytes'],
    [', secret: "whsec_?no base64? !a2b3c4d5e6f7g8h9i0j?"', 'not the base64 of at least 24 bytes'],
    [', secret: whsec_a2b3c4d5e6f7g8h9i0jKLMNOPQR', 'not the base64 of at least 24 bytes'],
    [', headers: [x-a, "x b"]', '"x b" is not the name of a header field'],
    [', quer: a', 'unknown key'],
  ])('%s', async (more, expected) => {
    expect(await mistakesIn(fromHttp('POST /in', more))).toEqual([expect.stringContaining(expected)]);
  });

  test('two flows at one address have the same keys, and then are one source', async () => {
    const second = (operation: string, more = '') =>
      `${fromHttp('POST /in/:id')}  b:\n    from: {connector: http, operation: "${operation}"${more}}\n    ${TO}\n`;
    expect(await mistakesIn(second('POST /in/:id'))).toEqual([]);
    expect(await mistakesIn(second('PUT /in/:other'))).toEqual([]);
    for (const other of [second('POST /in/:other'), second('POST /in/:id', ', query: q')]) {
      expect(await mistakesIn(other)).toEqual([expect.stringMatching(/^6: .*address of the flow "a", too/)]);
    }
  });
});

describe('mistakes in webhooks', () => {
  test.each([
    ['url: https://example.com/hooks', 'POST /orders/:id', []],
    ['timeout: 1s', 'POST', ['"hooks" has no url to send to']],
    ['url: https://example.com', 'GET /x', ['is not an operation of http']],
    ['url: ftp://example.com', 'POST', ['begins with https://']],
    ['url: nonsense', 'POST', ['begins with https://']],
    ['url: https://a:topsecret@example.com', 'POST', ['no name, password or fragment']],
    ['url: https://example.com/#x', 'POST', ['no name, password or fragment']],
    ['{url: https://example.com, headers: {host: x}}', 'POST', ['not a header field that can be set']],
    ['{url: https://example.com, headers: {"a b": x}}', 'POST', ['not a header field that can be set']],
    ['{url: https://example.com, headers: {x-a: "ü"}}', 'POST', ['printable ASCII']],
    ['{url: https://example.com, headers: x}', 'POST', ['expected names and strings']],
    ['{url: https://example.com, allow: [10.0.0.0/40]}', 'POST', ['not a name, an address or a network']],
    ['{url: https://example.com, allow: 7}', 'POST', ['expected a list']],
    ['url: http://127.0.0.1:9', 'POST', ['private, local or reserved']],
    ['url: http://2130706433', 'POST', ['private, local or reserved']],
    ['url: "http://[::ffff:169.254.169.254]/"', 'POST', ['private, local or reserved']],
    ['{url: "http://10.1.2.3", allow: 10.0.0.0/8}', 'POST', []],
    ['{url: "http://10.1.2.3", allow_private: true}', 'POST', []],
    ['{url: "http://169.254.169.254", allow_private: true}', 'POST', ['private, local or reserved']],
  ])('%s, %s', async (connector, operation, expected) => {
    const lines = connector.startsWith('{') ? connector.slice(1, -1).split(/, (?=[a-z_]+:)/) : [connector];
    const mistakes = await mistakesIn(toHttp(lines.join('\n    '), operation));
    expect(mistakes).toEqual(expected.map((part) => expect.stringContaining(part)));
    expect(mistakes.join()).not.toContain('topsecret');
  });
});

describe('mistakes in flows of rabbitmq', () => {
  test.each([
    ['what is right', AMQP, FROM_MQ('order.*.#') + TO_MQ('order.done'), []],
    ['no url', 'prefetch: 1', FROM_MQ('a'), ['connectors.mq.url" is missing']],
    ['another scheme', `url: \${RABBIT_URL}`, FROM_MQ('a'), ['does not give a value that fits']],
    ['another scheme, written', 'url: http://user:topsecret@x', FROM_MQ('a'), ['begins with amqp://']],
    ['an invalid pattern', AMQP, FROM_MQ('a..b'), ['not a pattern of routing keys']],
    ['a pattern with spaces', AMQP, FROM_MQ('a b'), ['not a pattern of routing keys']],
    ['a name that is too long', AMQP, FROM_MQ('a', `, queue: ${'q'.repeat(256)}`), ['at most 255 bytes']],
    ['a routing key with a star', AMQP, TO_MQ('order.*'), ['not an operation of rabbitmq']],
    [
      'headers that are none',
      AMQP,
      TO_MQ('a').replace('}\n    to: {', '}\n    to: {headers: x, '),
      ['names and strings'],
    ],
    [
      'headers of numbers',
      AMQP,
      TO_MQ('a').replace('}\n    to: {', '}\n    to: {headers: {n: 1}, '),
      ['n is not a string'],
    ],
    ['publish without a target', AMQP, TO_MQ('publish'), ['target" is missing']],
    ['one queue with different keys', AMQP, FROM_MQ('a') + FROM_MQ('a', ', prefetch: 2'), ['with other keys']],
    ['one queue twice', AMQP, FROM_MQ('a', ', queue: q') + FROM_MQ('bb', ', queue: q'), ['with other keys']],
    ['one source of two flows', AMQP, FROM_MQ('a') + FROM_MQ('a').replace('f10', 'g'), []],
  ])('%s', async (_what, connector, flows, expected) => {
    const mistakes = await mistakesIn(rabbit(connector, flows));
    expect(mistakes).toEqual(expected.map((part) => expect.stringContaining(part)));
    expect(mistakes.join()).not.toContain('topsecret');
  });
});
