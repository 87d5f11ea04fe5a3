import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { PermanentError, RetryLaterError } from '../../src/connectors/connector.ts';
import type { Resolve } from '../../src/connectors/http/address-guard.ts';
import { HTTP_KEYS, type HttpSettings } from '../../src/connectors/http/keys.ts';
import { addressOf, parseRetryAfter, WebhookTargets } from '../../src/connectors/http/target.ts';
import { SECRET } from '../support/tokens.ts';
import { deliveryOf, makeContext, settingsOf } from './context.ts';

interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

type Respond = (response: ServerResponse, request: IncomingMessage) => void;

/** A server that receives webhooks. */
async function listen(respond: Respond = (response) => response.end()) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    received.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
    respond(response, request);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { received, port, url: new URL(`http://127.0.0.1:${port}/hooks/`) };
}

function make(settings: Partial<HttpSettings>, resolve?: Resolve) {
  const surroundings = makeContext('hooks');
  const written = { allowPrivate: true, ...settings };
  return {
    ...surroundings,
    webhooks: new WebhookTargets(settingsOf(HTTP_KEYS, written), surroundings.context, resolve),
  };
}

async function failureOf(delivery: Promise<unknown>): Promise<Error> {
  const outcome = await delivery.catch((error: Error) => error);
  if (!(outcome instanceof Error)) throw new Error('it did not fail');
  return outcome;
}

const RESPOND =
  (status: number, headers: Record<string, string> = {}, body = ''): Respond =>
  (response) =>
    response.writeHead(status, headers).end(body);

describe('a webhook', () => {
  test('sends the output of the flow, and returns the JSON of the answer', async () => {
    const { received, url } = await listen(RESPOND(201, { 'content-type': 'application/json' }, '{"ok":true}'));
    const { webhooks } = make({ url, headers: { authorization: 'Bearer abc' } });
    const deliver = webhooks.target({ operation: 'PUT /orders/:id/:state' });
    const result = await deliver(deliveryOf({ id: 7, state: 'a/b' }, { key: 'flow/0/k1' }));
    expect(result).toEqual({ ok: true });
    const [request] = received;
    expect(request).toMatchObject({ method: 'PUT', url: '/hooks/orders/7/a%2Fb', body: '{"id":7,"state":"a/b"}' });
    expect(request?.headers).toMatchObject({
      'content-type': 'application/json',
      authorization: 'Bearer abc',
      'webhook-id': 'flow/0/k1',
      connection: 'close',
    });
    expect(request?.headers).not.toHaveProperty('webhook-signature');
    expect(Math.abs(Number(request?.headers['webhook-timestamp']) * 1000 - Date.now())).toBeLessThan(60_000);
  });

  test.each([
    ['text', SECRET, Buffer.from(SECRET)],
    ['base64', `whsec_${Buffer.from(SECRET).toString('base64')}`, Buffer.from(SECRET)],
  ])('is signed with a secret of %s', async (_what, secret, key) => {
    const { received, url } = await listen();
    await make({ url, secret }).webhooks.target({ operation: 'POST' })(deliveryOf({ text: 'ü' }));
    const { headers, body } = received[0] as Received;
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
    const expected = createHmac('sha256', key).update(signed).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
  });

  test.each([
    ['an empty answer', RESPOND(204)],
    ['text', RESPOND(200, { 'content-type': 'text/plain' }, '{"a":1}')],
    ['what is called JSON and is not', RESPOND(200, { 'content-type': 'application/json' }, '{"a":')],
    ['more than is read', RESPOND(200, { 'content-type': 'application/json' }, `"${'x'.repeat(2000)}"`)],
  ])('that got %s was taken', async (_what, respond) => {
    const { url } = await listen(respond);
    const { webhooks } = make({ url, maxResponse: 1000 });
    expect(await webhooks.target({ operation: 'POST' })(deliveryOf({}))).toBeUndefined();
  });

  test.each([
    [400, PermanentError],
    [404, PermanentError],
    [408, Error],
    [429, RetryLaterError],
    [500, Error],
    [503, RetryLaterError],
  ])('that got %i fails as %o', async (status, type) => {
    const headers: Record<string, string> = [429, 503].includes(status) ? { 'retry-after': '7' } : {};
    const { url } = await listen(RESPOND(status, headers));
    const failure = await failureOf(make({ url }).webhooks.target({ operation: 'POST' })(deliveryOf({})));
    expect(failure.constructor).toBe(type);
    expect(failure.message).toContain(String(status));
    expect(failure.message).not.toContain('/hooks');
    if (failure instanceof RetryLaterError) expect(failure.delay).toBe(7000);
  });

  test('redirects are not followed', async () => {
    const inner = await listen();
    const { url } = await listen(RESPOND(302, { location: inner.url.href }));
    const deliver = make({ url }).webhooks.target({ operation: 'POST' });
    await expect(deliver(deliveryOf({}))).rejects.toThrow(/302; redirects are not followed/);
    await expect(deliver(deliveryOf({}))).rejects.toThrow(PermanentError);
    expect(inner.received).toEqual([]);
  });

  test.each(['127.0.0.1', 'localhost', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]'])(
    '%s is not asked unless it is allowed',
    async (host) => {
      const { received, port } = await listen();
      const url = new URL(`http://${host}:${port}/`);
      const deliver = make({ url, allowPrivate: false }).webhooks.target({ operation: 'POST' });
      await expect(deliver(deliveryOf({}))).rejects.toThrow(PermanentError);
      expect(received).toEqual([]);
      await make({ url, allowPrivate: false, allow: ['127.0.0.1', 'localhost'] }).webhooks.target({
        operation: 'POST',
      })(deliveryOf({}));
      expect(received).toHaveLength(1);
    },
  );

  test('the connection is made to the address that was looked at, however the name changes', async () => {
    const { received, port } = await listen();
    let asked = 0;
    const resolve: Resolve = (_name, _options, done) =>
      done(null, [{ address: asked++ === 0 ? '127.0.0.1' : '169.254.169.254', family: 4 }]);
    const { webhooks } = make({ url: new URL(`http://moving.example:${port}/`) }, resolve);
    const deliver = webhooks.target({ operation: 'POST' });
    await deliver(deliveryOf({}));
    expect([asked, received.length]).toEqual([1, 1]);
    expect(received[0]?.headers.host).toBe(`moving.example:${port}`);
    await expect(deliver(deliveryOf({}))).rejects.toThrow(PermanentError);
    expect(received).toHaveLength(1);
  });

  test('has a time limit, for the whole answer', async () => {
    const { url } = await listen((response) => response.writeHead(200).write('a'));
    const failure = await failureOf(make({ url, timeout: 100 }).webhooks.target({ operation: 'POST' })(deliveryOf({})));
    expect(failure).not.toBeInstanceOf(PermanentError);
    expect(failure.message).toMatch(/could not be reached: .*(?:100 ms|aborted)/);
  });

  test('ends when the delivery is cancelled', async () => {
    const { url, received } = await listen(() => undefined);
    const abort = new AbortController();
    const deliver = make({ url }).webhooks.target({ operation: 'POST' });
    const delivery = deliver(deliveryOf({}, { signal: abort.signal }));
    setTimeout(() => abort.abort(), 50);
    await expect(delivery).rejects.toThrow('the delivery was cancelled');
    await expect(deliver(deliveryOf({}, { signal: abort.signal }))).rejects.toThrow();
    expect(received.length).toBeLessThan(2);
  });

  test.each([
    ['nobody there', 9, /ECONNREFUSED/],
    ['a connection that is closed', 0, /socket hang up|closed/],
  ])('with %s may be tried again', async (_what, fixed, expected) => {
    const { port } = await listen((_response, request) => request.socket.destroy());
    const url = new URL(`http://127.0.0.1:${fixed || port}/`);
    const failure = await failureOf(make({ url }).webhooks.target({ operation: 'POST' })(deliveryOf({})));
    expect(failure).not.toBeInstanceOf(PermanentError);
    expect(failure.message).toMatch(expected);
  });

  test('an answer that ends too early is none', async () => {
    const { url } = await listen((response) => {
      response.writeHead(200, { 'content-length': '10' }).write('abc', () => response.socket?.destroy());
    });
    await expect(make({ url }).webhooks.target({ operation: 'POST' })(deliveryOf({}))).rejects.toThrow('could not be');
  });

  test('needs a path that can be filled in', () => {
    const base = new URL('https://example.com/a/?token=1');
    const segments = ['x', ':id'];
    expect(addressOf(base, { method: 'POST', segments }, { id: 'a b' }).href).toBe(
      'https://example.com/a/x/a%20b?token=1',
    );
    expect(addressOf(base, { method: 'POST', segments: [] }, {}).href).toBe(base.href);
    for (const id of [undefined, null, '', '.', '..', {}, '\ud800']) {
      expect(() => addressOf(base, { method: 'POST', segments }, { id })).toThrow(PermanentError);
    }
    expect(() => addressOf(base, { method: 'POST', segments: [':toString'] }, {})).toThrow(PermanentError);
  });

  test('Retry-After is seconds or a date', () => {
    const now = Date.parse('2026-01-01T00:00:00Z');
    expect(parseRetryAfter('120', now)).toBe(120_000);
    expect(parseRetryAfter('Thu, 01 Jan 2026 00:00:05 GMT', now)).toBe(5000);
    expect(parseRetryAfter('Thu, 01 Jan 2025 00:00:05 GMT', now)).toBe(0);
    expect(parseRetryAfter('999999999', now)).toBe(86_400_000);
    expect(parseRetryAfter('soon', now)).toBeUndefined();
    expect(parseRetryAfter(undefined, now)).toBeUndefined();
  });
});
