import { asError, type Problem, problemError, TablecastError } from '../error.ts';
import { delayBefore, pause, randomId } from './backoff.ts';
import type { Environment } from './environment.ts';

export interface RequestOptions {
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
  /** True to retry after transient errors; writes then carry an `Idempotency-Key`. Default true, except for routes other than GET. */
  readonly repeatable?: boolean;
}

export interface HttpRequest extends RequestOptions {
  readonly method: string;
  /** Sent as JSON; undefined for no body. */
  readonly body?: unknown;
}

const SAFE = new Set(['GET', 'HEAD']);
/** Statuses of transient errors. */
const TRANSIENT = new Set([429, 502, 503, 504]);

/**
 * Sends a request and retries transient errors, with growing pauses and not before `Retry-After`. Throws TablecastError for
 * every response that is not a success.
 */
export async function request(environment: Environment, url: string, options: HttpRequest): Promise<Response> {
  const { method, signal, repeatable = true } = options;
  const headers = { ...options.headers };
  if (repeatable && !SAFE.has(method)) headers['idempotency-key'] ??= `"${randomId()}"`;
  const deadline = Date.now() + (repeatable ? environment.retryFor : 0);
  let renew = false;
  for (let attempt = 0; ; attempt++) {
    try {
      return await once(environment, url, { ...options, headers }, renew);
    } catch (thrown) {
      const error = asError(thrown);
      const isRefused = error.status === 401 && environment.canRenew && !renew;
      const minDelay = error.retryAfter ?? 0;
      const left = deadline - Date.now();
      if (!isRefused && !(isTransient(error) && left > minDelay)) throw error;
      if (isRefused) renew = true;
      else {
        // The last attempt is made at the deadline.
        const delay = Math.min(left, delayBefore(attempt, { minDelay, maxDelay: environment.maxPause }));
        await pause(delay, signal, minDelay === 0).catch(throwAborted);
      }
    }
  }
}

/** Reads the JSON of a response; undefined where there is no content. */
export async function readJson<V>(response: Response): Promise<V> {
  if (response.status === 204) return undefined as V;
  return response.json().catch((thrown: unknown) => {
    throw asError(thrown);
  }) as Promise<V>;
}

function isTransient({ code, status }: TablecastError): boolean {
  if (status === 0) return code === 'NETWORK' || code === 'TIMEOUT';
  return TRANSIENT.has(status) || code === 'IDEMPOTENCY_IN_PROGRESS';
}

async function once(
  environment: Environment,
  url: string,
  { method, body, headers, signal }: HttpRequest,
  renew: boolean,
): Promise<Response> {
  const token = await environment.token(renew);
  const all: Record<string, string> = { ...headers };
  if (token !== undefined) all.authorization = `Bearer ${token}`;
  if (body !== undefined) all['content-type'] ??= 'application/json';
  const ended = new AbortController();
  const stop = () => ended.abort();
  const timer = setTimeout(stop, environment.timeout);
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  try {
    const payload = body === undefined || body instanceof Uint8Array ? body : JSON.stringify(body);
    const response = await environment.fetch(url, {
      method,
      headers: all,
      signal: ended.signal,
      ...(payload !== undefined && { body: payload as string }),
    });
    if (response.ok) return response;
    throw await errorOf(response);
  } catch (error) {
    if (signal?.aborted) throwAborted(signal.reason);
    if (ended.signal.aborted) throw new TablecastError('TIMEOUT', `No answer within ${environment.timeout} ms.`);
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

function throwAborted(cause: unknown): never {
  throw new TablecastError('ABORTED', 'The request was aborted.', { cause });
}

/** Reads the error from an HTTP response: RFC 9457 problem details, or any other body. */
export async function errorOf(response: Response): Promise<TablecastError> {
  const { status, headers } = response;
  const problem = (await response.json().catch(() => undefined)) as Problem | null | undefined;
  return problemError(problem, { status, ...retryAfterOf(headers.get('retry-after')) });
}

/** Parses `Retry-After` (RFC 9110 §10.2.3), seconds or a date. */
function retryAfterOf(text: string | null): { retryAfter?: number } {
  if (text === null) return {};
  const wait = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(wait) ? {} : { retryAfter: Math.max(0, wait) };
}
