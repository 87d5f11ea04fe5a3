import { execFile, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PYTHON = fileURLToPath(new URL('./upload.py', import.meta.url));

/** One upload that the server answers before it has read it. */
export interface Upload {
  readonly method: 'POST' | 'PUT';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A file with the body. */
  readonly file: string;
  /** Its length is not said beforehand. */
  readonly isChunked: boolean;
}

export interface Refused {
  readonly status: number;
  readonly code: string;
}

export type Uploader = (upload: Upload) => Promise<Refused>;

/** Node's fetch, which is undici. Not for a self-signed certificate. */
const uploadByFetch: Uploader = async ({ method, url, headers, file, isChunked }) => {
  const { openAsBlob } = await import('node:fs');
  const blob = await openAsBlob(file);
  // A stream has no length.
  const body = isChunked ? blob.stream() : blob;
  const answer = await fetch(url, { method, headers, body, duplex: 'half' } as RequestInit);
  return { status: answer.status, code: ((await answer.json()) as Refused).code };
};

/** What is written to the socket after the answer has come may fail: the answer is what counts. */
const uploadByNode: Uploader = async ({ method, url, headers, file, isChunked }) => {
  const { size } = await import('node:fs').then(({ statSync }) => statSync(file));
  const length = isChunked ? {} : { 'content-length': String(size) };
  const request = httpsRequest(url, { method, headers: { ...headers, ...length }, rejectUnauthorized: false });
  const answered = once(request, 'response');
  createReadStream(file).pipe(request);
  const [answer] = (await answered) as [import('node:http').IncomingMessage];
  request.on('error', () => {});
  return { status: answer.statusCode ?? 0, code: JSON.parse(await text(answer)).code };
};

const uploadByHttp2: Uploader = async ({ method, url, headers, file, isChunked }) => {
  const { origin, pathname } = new URL(url);
  const { size } = await import('node:fs').then(({ statSync }) => statSync(file));
  const session = connectHttp2(origin, { rejectUnauthorized: false });
  try {
    const length = isChunked ? {} : { 'content-length': String(size) };
    const stream = session.request({ ...headers, ...length, ':method': method, ':path': pathname });
    const answered = once(stream, 'response');
    createReadStream(file).pipe(stream, { end: true });
    const [answer] = (await answered) as [import('node:http2').IncomingHttpHeaders];
    return { status: Number(answer[':status']), code: JSON.parse(await text(stream)).code };
  } finally {
    session.destroy();
  }
};

function uploadByCurl(...options: string[]): Uploader {
  return async ({ method, url, headers, file, isChunked }) => {
    const fields = Object.entries({ ...headers, ...(isChunked ? { 'transfer-encoding': 'chunked' } : {}) });
    const shown = fields.flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
    const given = ['-sSk', ...options, '-X', method, ...shown, '-T', file, '-w', '\n%{http_code}', url];
    const { stdout } = await run('curl', given);
    const [body = '', status] = stdout.split('\n');
    return { status: Number(status), code: JSON.parse(body).code };
  };
}

/** Reads nothing before it has sent everything. */
const uploadByPython: Uploader = async ({ method, url, headers, file, isChunked }) => {
  const { stdout } = await run('python3', [PYTHON, method, url, JSON.stringify(headers), file, String(isChunked)]);
  return JSON.parse(stdout);
};

function isInstalled(program: string): boolean {
  return spawnSync(program, ['--version']).status === 0;
}

const CURL: readonly (readonly [name: string, upload: Uploader])[] = isInstalled('curl')
  ? [
      ['curl', uploadByCurl('--http1.1')],
      ['curl that does not wait for 100 Continue', uploadByCurl('--http1.1', '-H', 'Expect:')],
    ]
  : [];
const CURL_HTTP2: typeof CURL = isInstalled('curl') ? [['curl over HTTP/2', uploadByCurl('--http2')]] : [];
const PYTHON_CLIENT: typeof CURL = isInstalled('python3') ? [['Python http.client', uploadByPython]] : [];

export const PLAIN_UPLOADERS = [['fetch', uploadByFetch], ...CURL, ...PYTHON_CLIENT] as const;
export const TLS_UPLOADERS = [
  ['Node over TLS', uploadByNode],
  ['Node over HTTP/2', uploadByHttp2],
  ...CURL,
  ...CURL_HTTP2,
  ...PYTHON_CLIENT,
] as const;
