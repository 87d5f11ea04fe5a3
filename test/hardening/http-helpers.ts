import { afterAll, beforeAll, expect } from 'vitest';
import { startServer, type TestServer } from '../support/app.ts';
import { cpuTimeOfProcess } from '../support/cpu-time.ts';
import { type Answer, ask, type RawAnswer, rawHttp } from '../support/http.ts';

const SCHEMA = `
enum Kind { RED BLUE constructor }
type Inner { n: Int! note: String }
type Thing @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  s: String
  i: Int
  f: Float
  b: Boolean
  l: Long
  j: JSON
  k: Kind
  tags: [String!]
  inner: Inner
  made: String @createdTime
}
type Number @table @export { id: Int! @primaryKey s: String }
`;
export const JSON_TYPE = { 'content-type': 'application/json' };
export const FORBIDDEN_WORDS = /SQLITE_|SqliteError|near "|node_modules|at \w+ \(|\.js:\d|\.ts:\d|better-sqlite/;

/** The server of the file that has called `serveThings`. */
export let server: TestServer;

/** One server for all tests of a file: nothing that is refused may change what the next one finds. */
export function serveThings(): void {
  beforeAll(async () => {
    server = await startServer({ schema: SCHEMA });
  }, 30_000);
  afterAll(() => server[Symbol.asyncDispose]());
}

export function expectProblem(answer: Answer, status: number, code?: string): void {
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([status, expect.stringContaining('"code"')]);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  if (code !== undefined) expect(answer.record.code).toBe(code);
  expect(answer.text).not.toMatch(FORBIDDEN_WORDS);
}

export const put = (body: string | Uint8Array, path = 'Thing/x', headers: Record<string, string> = JSON_TYPE) =>
  server.ask('PUT', path, { body, headers });

/** Bytes on a connection of their own; everything that came until it was closed or silent. */
export const raw = (text: string | Uint8Array, quiet?: number): Promise<RawAnswer> => rawHttp(server.port, text, quiet);

/** A request on a connection that goes on. */
export function keepAlive(line: string, headers: readonly string[] = [], body = ''): string {
  return [`${line} HTTP/1.1`, 'Host: 127.0.0.1', ...headers, '', body].join('\r\n');
}

/** A request after whose answer the server closes, so that the test need not wait for more. */
export function request(line: string, headers: readonly string[] = [], body = ''): string {
  return keepAlive(line, ['Connection: close', ...headers], body);
}

/** Milliseconds of processor time for which another request waited at most, while something was going on. */
export async function slowestOther(busy: Promise<unknown>): Promise<number> {
  let slowest = 0;
  let done = false;
  const end = () => {
    done = true;
  };
  busy.then(end, end);
  while (!done) {
    const before = cpuTimeOfProcess(server.pid);
    expect((await ask('GET', `${server.origin}/health/live`)).status).toBe(200);
    slowest = Math.max(slowest, cpuTimeOfProcess(server.pid) - before);
  }
  return slowest;
}
