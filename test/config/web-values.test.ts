import { describe, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/load.ts';
import { describeSurprises } from '../../src/config/notices.ts';
import { makeApp, mistakesOf } from './folders.ts';

function load(config: string) {
  return loadConfig(makeApp(config), {});
}

function mistakesIn(config: string): string[] {
  const folder = makeApp(config);
  return mistakesOf(() => loadConfig(folder, {}));
}

const ORIGIN_HINT = 'write scheme, host and port as browsers do: "https://app.example", "http://localhost:5173"';
const HOST_HINT = 'write the bare name: "app.example" or "192.168.0.5"; every port of it is meant';

describe('header fields of cors', () => {
  test('are names', () => {
    const cors = 'cors: { allowed_headers: [traceparent, X-Team], exposed_headers: [Server-Timing] }\n';
    expect(load(cors).server.cors).toMatchObject({
      allowedHeaders: ['traceparent', 'X-Team'],
      exposedHeaders: ['Server-Timing'],
    });
    expect(load('').server.cors).toMatchObject({ allowedHeaders: [], exposedHeaders: [] });
  });

  test.each([
    [
      'allowed_headers',
      '*',
      '"*" does not include all headers when credentials are sent | name the header fields: traceparent, X-Team',
    ],
    [
      'exposed_headers',
      '*',
      '"*" does not include all headers when credentials are sent | name the header fields: traceparent, X-Team',
    ],
    ['allowed_headers', 'x team', '"x team" is not a name of a header field'],
    ['allowed_headers', 'x\r\nSet-Cookie: a', '"x\r\nSet-Cookie: a" is not a name of a header field'],
    ['allowed_headers', 'Cookie', '"Cookie" is set by browsers; no page can send it'],
    ['allowed_headers', 'Sec-Fetch-Mode', '"Sec-Fetch-Mode" is set by browsers; no page can send it'],
    ['exposed_headers', 'Set-Cookie', '"Set-Cookie" is for browsers; no page can read it'],
  ])('%s cannot have %j', (key, name, message) => {
    expect(mistakesIn(`cors:\n  ${key}: [${JSON.stringify(name)}]\n`).join()).toContain(`cors.${key}: ${message}`);
  });
});

describe('cors.origins', () => {
  test('are accepted in the form of browsers', () => {
    const origins = [
      'https://app.example',
      'http://localhost:5173',
      'https://[2001:db8::1]:8443',
      'capacitor://localhost',
      '*',
    ];
    expect(load(`cors:\n  origins: ${JSON.stringify(origins)}\n`).server.cors).toMatchObject({
      origins,
      credentials: false,
    });
    expect(load('cors: { origins: [] }\n').server.cors.origins).toEqual([]);
  });

  test.each([
    [
      'https://app.example/',
      'cors.origins: "https://app.example/" is more than an origin | did you mean "https://app.example"?',
    ],
    [
      'https://App.Example',
      'cors.origins: "https://App.Example" is more than an origin | did you mean "https://app.example"?',
    ],
    [
      'https://app.example:443',
      'cors.origins: "https://app.example:443" is more than an origin | did you mean "https://app.example"?',
    ],
    [
      'https://a@app.example',
      'cors.origins: "https://a@app.example" is more than an origin | did you mean "https://app.example"?',
    ],
    [
      'https://app.example/path?x',
      'cors.origins: "https://app.example/path?x" is more than an origin | did you mean "https://app.example"?',
    ],
    [
      'https://*.example',
      `cors.origins: "https://*.example" is a pattern; origins are compared whole | ${ORIGIN_HINT}`,
    ],
    ['null', `cors.origins: "null" is not an origin: every sandboxed page sends it | ${ORIGIN_HINT}`],
    ['app.example', `cors.origins: "app.example" is not an origin | ${ORIGIN_HINT}`],
    ['data:text/html,x', `cors.origins: "data:text/html,x" is not an origin | ${ORIGIN_HINT}`],
  ])('%j is a mistake', (origin, message) => {
    expect(mistakesIn(`cors:\n  origins: [${JSON.stringify(origin)}]\n`)).toEqual([`config.yaml:2:12 ${message}`]);
  });

  test('"*" cannot go with credentials', () => {
    expect(mistakesIn('cors:\n  origins: ["*"]\n  credentials: true\n')).toEqual([
      'config.yaml:3:16 cors.credentials cannot be combined with the origin "*": every page could act for any user who opens it | name the origins, or write `credentials: false`',
    ]);
    expect(load('cors: { origins: ["https://app.example"], credentials: true }\n').server.cors.credentials).toBe(true);
  });
});

describe('allowed_hosts', () => {
  test('are names and addresses, in any case', () => {
    const { allowedHosts } = load('allowed_hosts: [App.Example, 192.168.0.5, "[2001:DB8::1]", my_host-1]\n').server;
    expect(allowedHosts).toEqual(['app.example', '192.168.0.5', '[2001:db8::1]', 'my_host-1']);
  });

  test.each([
    ['app.example:443', `"app.example:443" is not a host name | ${HOST_HINT}`],
    ['https://app.example', `"https://app.example" is not a host name | ${HOST_HINT}`],
    ['*', `"*" is not a host name | ${HOST_HINT}`],
    ['*.example', `"*.example" is not a host name | ${HOST_HINT}`],
    ['app.example.', `"app.example." is not a host name | ${HOST_HINT}`],
    ['2001:db8::1', '"2001:db8::1" needs brackets | write "[2001:db8::1]"'],
  ])('%j is a mistake', (host, message) => {
    expect(mistakesIn(`allowed_hosts: [${JSON.stringify(host)}]\n`)).toEqual([
      `config.yaml:1:16 allowed_hosts: ${message}`,
    ]);
  });
});

describe('metrics', () => {
  test.each([
    ['true', true],
    ['false', false],
    ['a-token-of-some-length', 'a-token-of-some-length'],
  ])('%s is accepted', (written, metrics) => expect(load(`metrics: ${written}\n`).server.metrics).toBe(metrics));

  test.each([
    ['short', 'a token has at least 16 characters'],
    ['"with a space in the middle"', 'a token has printable ASCII characters only'],
    ['5', 'expected true, false or a token, found a number'],
    ['[a]', 'expected true, false or a token, found a list'],
  ])('%s is a mistake', (written, message) => {
    expect(mistakesIn(`metrics: ${written}\n`)).toEqual([
      `config.yaml:1:10 metrics: ${message} | write true, false, or a secret of 16 characters or more`,
    ]);
  });
});

describe('web_policy', () => {
  test('is a policy or false', () => {
    expect(load(`web_policy: "default-src 'self'"\n`).app.webPolicy).toBe("default-src 'self'");
    expect(load('web_policy: false\n').app.webPolicy).toBe(false);
  });

  test.each([
    ['true', 'expected a policy or false, found true or false'],
    ['" "', 'expected a policy or false, found text'],
    ['"default-src *\\r\\nSet-Cookie: a=b"', 'a policy has printable ASCII characters only, on one line'],
  ])('%s is a mistake', (written, message) => {
    expect(mistakesIn(`web_policy: ${written}\n`)).toEqual([`config.yaml:1:13 web_policy: ${message}`]);
  });
});

describe('console', () => {
  test('is on, off, or for some networks', () => {
    expect(load('').server.console).toEqual({ enabled: true, allow: undefined, idleLock: 1_800_000 });
    expect(load('console: false\n').server.console).toEqual({ enabled: false, allow: undefined, idleLock: 1_800_000 });
    const networks = ['192.168.0.0/16', '10.1.2.3', '::1', 'fd00::/8'];
    expect(load(`console: {allow: ${JSON.stringify(networks)}}\n`).server.console).toEqual({
      enabled: true,
      allow: networks,
      idleLock: 1_800_000,
    });
    expect(load('console: {allow: []}\n').server.console).toMatchObject({ enabled: true, allow: [] });
    for (const [written, idleLock] of [
      ['5m', 300_000],
      ['0', 0],
    ] as const) {
      const expected = { enabled: true, allow: undefined, idleLock };
      expect(load(`console: {idle_lock: ${written}}\n`).server.console).toEqual(expected);
    }
  });

  test.each([
    [
      '5',
      'expected true, false or settings, found a number | write true, false, or `allow:` and `idle_lock:` below it',
    ],
    ['{}', 'console has no settings | write true, false, or `allow:` and `idle_lock:` below it'],
    ['{idle_lock: 5s}', 'idle_lock: must be at least 10s | write 0 to turn it off'],
    ['{alow: []}', 'unknown key "alow" in console | write true, false, or `allow:` and `idle_lock:` below it'],
    ...['10.0.0.0/33', 'example.org', '10.0.0.0/8/8', '::1/129', 'fe80::1%eth0', '10.0.0.0/'].map((network) => [
      `{allow: ["${network}"]}`,
      `allow: "${network}" is not a network | write an address or CIDR: "192.168.0.0/16", "::1"`,
    ]),
  ])('%s is a mistake', (written, message) => {
    expect(mistakesIn(`console: ${written}\n`)).toEqual([`config.yaml:1:10 console: ${message}`]);
  });
});

describe('surprises', () => {
  test('are not reported for defaults and usual settings', () => {
    expect(describeSurprises(load('').server)).toEqual([]);
    const usual =
      'cors: { origins: ["https://app.example", "http://localhost:5173", "http://[::1]:5173"] }\nmetrics: a-token-of-some-length\n';
    expect(describeSurprises(load(usual).server)).toEqual([]);
    expect(describeSurprises(load('host: 192.0.2.1\nauth: none\nmetrics: a-token-of-some-length\n').server)).toEqual(
      [],
    );
  });

  test.each([
    ['cors: { origins: ["*"] }', /^cors\.origins is "\*"/],
    ['cors: { origins: ["http://app.example"] }', /^cors\.origins has http:\/\/app\.example/],
    ['host: 192.0.2.1\nauth: none\nmetrics: true', /^metrics is true/],
    ['host: 192.0.2.1\nauth: none\ntrust_proxy: true', /^trust_proxy is true/],
    [
      'host: 192.0.2.1\nauth: none\nlimits: { anonymous_requests_per_second: 0 }',
      /^limits of requests or connections are 0/,
    ],
    ['host: 192.0.2.1\nauth: none\nlimits: { connections_per_address: 0 }', /^limits of requests or connections are 0/],
  ])('%j is reported', (config, sentence) => {
    expect(describeSurprises(load(`${config}\n`).server)).toEqual([expect.stringMatching(sentence)]);
  });
});
