import { afterEach, describe, expect, test, vi } from 'vitest';
import { delayBefore, pause } from '../../src/client/connection/backoff.ts';
import { type ConnectOptions, makeEnvironment } from '../../src/client/connection/environment.ts';
import { request } from '../../src/client/connection/http.ts';
import { TablecastError } from '../../src/client/error.ts';
import { connect } from '../../src/client/index.ts';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

const URL = 'http://127.0.0.1:1/a/';

/** Sends a write whose attempts get these responses, then the last one each time; a number is a status, text a failure. */
function write(answers: readonly (number | string)[], options: ConnectOptions = {}) {
  const keys: (string | undefined)[] = [];
  const answer: typeof fetch = async (_url, init) => {
    const next = answers[Math.min(keys.length, answers.length - 1)] as number | string;
    keys.push(new Headers(init?.headers).get('idempotency-key') ?? undefined);
    if (typeof next === 'string') throw new TypeError(next);
    return new Response('{}', { status: next, headers: next === 429 ? { 'retry-after': '60' } : {} });
  };
  const environment = makeEnvironment(URL, { fetch: answer, ...options });
  return { keys, done: request(environment, `${URL}T`, { method: 'POST', body: {} }) };
}

describe('a request with a transient error', () => {
  test('is repeated as the same write until retryFor is over, however many attempts that takes', async () => {
    vi.spyOn(Math, 'random').mockReturnValue(0.01);
    const { keys, done } = write([...Array<string>(20).fill('refused'), 503, 502, 201]);
    expect((await done).status).toBe(201);
    expect(keys).toHaveLength(23);
    expect(new Set(keys).size).toBe(1);
  });

  test('is repeated for 30 s by default', () => {
    expect(makeEnvironment(URL, {}).retryFor).toBe(30_000);
    expect(makeEnvironment(URL, { retryFor: 5 }).retryFor).toBe(5);
  });

  test('fails when the time is over, after a last attempt at its end', async () => {
    const begun = performance.now();
    const { keys, done } = write(['refused'], { retryFor: 400 });
    await expect(done).rejects.toMatchObject({ code: 'NETWORK' });
    // Timers may come a millisecond early.
    expect(performance.now() - begun).toBeGreaterThanOrEqual(398);
    expect(keys.length).toBeGreaterThanOrEqual(2);
  });

  test('fails at once when it may not be repeated or Retry-After exceeds the remaining time', async () => {
    for (const [answers, options] of [
      [['refused'], { retryFor: 0 }],
      [[429], {}],
      [[400], {}],
    ] as const) {
      const { keys, done } = write(answers, options);
      await expect(done).rejects.toBeInstanceOf(TablecastError);
      expect(keys).toHaveLength(1);
    }
  });
});

test('an answer that is cut off in its body is an error of the network', async () => {
  const cut = () => new ReadableStream({ start: (body) => body.error(new TypeError('terminated')) });
  const { tables, auth, transaction } = connect<{ T: { id: string } }>(URL, { fetch: async () => new Response(cut()) });
  for (const call of [
    () => tables.T.list(),
    () => tables.T.get('a'),
    () => tables.T.create({ id: 'a' }),
    () => tables.T.publish('x'),
    () => transaction([{ op: 'delete', table: 'T', id: 'a' }]),
    () => auth.login('ada', 'correct horse'),
  ]) {
    const thrown = await call().catch((error: unknown) => error);
    expect(thrown).toBeInstanceOf(TablecastError);
    expect(thrown).toMatchObject({ code: 'NETWORK', message: 'terminated' });
  }
});

describe('a pause', () => {
  test('is a second at most where the server is on the same machine', () => {
    vi.spyOn(Math, 'random').mockReturnValue(1);
    const maxDelay = (url: string) => makeEnvironment(url, {}).maxPause;
    for (const host of ['localhost', 'shop.localhost', '127.0.0.1:9996', '127.8.8.8', '[::1]:1']) {
      expect([host, maxDelay(`http://${host}/a`)]).toEqual([host, 1_000]);
    }
    for (const host of ['example.org', 'localhost.example.org', '127.0.0.1.example.org', '10.0.0.1', '[::2]']) {
      expect([host, maxDelay(`https://${host}/a`)]).toEqual([host, 30_000]);
    }
    expect([0, 1, 2, 9].map((attempt) => delayBefore(attempt, { maxDelay: 1_000 }))).toEqual([250, 500, 1_000, 1_000]);
    expect(delayBefore(9, { maxDelay: 1_000, busy: true })).toBe(30_000);
  });

  test('ends when the network or the window is back, and with its signal', async () => {
    const page = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    vi.stubGlobal('document', document);
    let ended = 0;
    const wait = () => pause(60_000, undefined, true).then(() => void ended++);
    const first = wait();
    // A hidden window does not reconnect early.
    page.dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(ended).toBe(0);
    document.visibilityState = 'visible';
    document.dispatchEvent(new Event('visibilitychange'));
    await first;
    const second = wait();
    page.dispatchEvent(new Event('online'));
    await second;
    const controller = new AbortController();
    const third = pause(60_000, controller.signal, true);
    controller.abort(new Error('enough'));
    await expect(third).rejects.toThrow('enough');
    await expect(pause(60_000, controller.signal, true)).rejects.toThrow('enough');
  });
});

test('an error of another copy of the client is one of this client', async () => {
  const other = await import(new globalThis.URL('../../dist/client.js', import.meta.url).href);
  expect(other.TablecastError).not.toBe(TablecastError);
  expect(new other.TablecastError('NETWORK', 'x')).toBeInstanceOf(TablecastError);
  expect(new TypeError('x')).not.toBeInstanceOf(TablecastError);
});
