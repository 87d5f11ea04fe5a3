import {
  type ConnectorContext,
  type Deliver,
  type Delivery,
  type FlowData,
  PermanentError,
  RetryLaterError,
  type TargetUse,
} from '../connector.ts';
import { parseInputBytes } from '../flows/json-input.ts';
import { AddressGuard, AddressRefusedError, type Resolve } from './address-guard.ts';
import { callHttp, type HttpReply } from './http-call.ts';
import type { HttpSettings } from './keys.ts';
import { type HttpOperation, isOperation, parseOperation } from './operation.ts';
import { signHeaders } from './signature.ts';

export const WEBHOOK_METHODS = ['POST', 'PUT', 'PATCH', 'DELETE'];

/** Statuses of 4xx that are worth a retry: Request Timeout, Too Early, Too Many Requests. */
const RETRYABLE: ReadonlySet<number> = new Set([408, 425, 429]);
/** Bound of the delay that an answer may request. */
const MAX_RETRY_AFTER_MS = 24 * 3_600_000;

/** Sends the output of flows to an address: docs/reference/connectors/http.md. */
export class WebhookTargets {
  readonly #settings: HttpSettings;
  readonly #context: Pick<ConnectorContext, 'name' | 'log'>;
  readonly #guard: AddressGuard;

  constructor(settings: HttpSettings, context: Pick<ConnectorContext, 'name' | 'log'>, resolve?: Resolve) {
    this.#settings = settings;
    this.#context = context;
    this.#guard = new AddressGuard(settings, resolve);
  }

  target({ operation: written }: Pick<TargetUse, 'operation'>): Deliver {
    const operation = parseOperation(written, { methods: WEBHOOK_METHODS, needsPath: false });
    const { url } = this.#settings;
    // Both were checked when the configuration was read.
    if (!isOperation(operation) || url === undefined) throw new TypeError(`${written} cannot be sent anywhere`);
    return (delivery) => this.#deliver(delivery, operation, url);
  }

  async #deliver(delivery: Delivery, operation: HttpOperation, base: URL): Promise<unknown> {
    const { timeout, maxResponse } = this.#settings;
    const url = addressOf(base, operation, delivery.output);
    const body = Buffer.from(JSON.stringify(delivery.output));
    const call = { method: operation.method, headers: this.#headersOf(delivery, body), body };
    let reply: HttpReply;
    try {
      const options = { guard: this.#guard, timeout, maxResponse, signal: delivery.signal };
      reply = await callHttp(url, call, options);
    } catch (error) {
      if (error instanceof AddressRefusedError) throw error;
      throw new Error(`${this.#describe(base)} could not be reached: ${messageOf(error)}`, { cause: error });
    }
    this.#checkStatus(reply, base);
    return this.#resultOf(reply, base);
  }

  #headersOf({ key: id }: Delivery, body: Buffer): Record<string, string> {
    const { headers, secret } = this.#settings;
    const own = {
      'user-agent': 'tablecast',
      accept: 'application/json',
      ...headers,
      'content-type': 'application/json',
      'accept-encoding': 'identity',
    };
    const timestamp = Math.floor(Date.now() / 1000);
    if (secret === undefined) return { ...own, 'webhook-id': id, 'webhook-timestamp': String(timestamp) };
    return { ...own, ...signHeaders(secret, { id, timestamp, body }) };
  }

  #checkStatus({ status, headers }: HttpReply, base: URL): void {
    if (status >= 200 && status < 300) return;
    const message = `${this.#describe(base)} answered ${status}`;
    if (status >= 300 && status < 400) throw new PermanentError(`${message}; redirects are not followed`);
    if (status < 500 && !RETRYABLE.has(status)) throw new PermanentError(message);
    const wait = parseRetryAfter(headers['retry-after'], Date.now());
    throw wait === undefined ? new Error(message) : new RetryLaterError(message, wait);
  }

  /** Result of a successful delivery: the JSON of its answer; undefined for any other body. */
  #resultOf({ headers, body }: HttpReply, base: URL): unknown {
    if (body === undefined) {
      this.#context.log.warn({ connector: this.#context.name }, `${this.#describe(base)}: the answer was too long`);
      return undefined;
    }
    const isJson = /^application\/(?:json|[\w.-]+\+json)(?:;|$)/i.test(headers['content-type'] ?? '');
    if (!isJson || body.length === 0) return undefined;
    try {
      return parseInputBytes(body);
    } catch {
      this.#context.log.warn({ connector: this.#context.name }, `${this.#describe(base)}: the answer was not JSON`);
      return undefined;
    }
  }

  /** Describes the webhook without its path: for many services the path is the secret. */
  #describe({ host }: URL): string {
    return `webhook "${this.#context.name}" (${host})`;
  }
}

/** Fills the parameters of the path from the output. Throws PermanentError when one is missing. */
export function addressOf(base: URL, { segments }: HttpOperation, output: FlowData): URL {
  const url = new URL(base);
  const filled = segments.map((segment) => (segment.startsWith(':') ? fill(segment.slice(1), output) : segment));
  if (filled.length > 0) url.pathname = `${url.pathname.replace(/\/$/, '')}/${filled.join('/')}`;
  return url;
}

/** Value of a parameter as one segment: slashes are escaped. */
function fill(name: string, output: FlowData): string {
  const value = Object.hasOwn(output, name) ? output[name] : undefined;
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  // A dot segment would lead to another path, and escaping does not change that.
  if (typeof text !== 'string' || ['', '.', '..'].includes(text) || !text.isWellFormed()) {
    throw new PermanentError(`the path needs "${name}", and the output has no string or number of that name`);
  }
  return encodeURIComponent(text);
}

/** Parses `Retry-After` (RFC 9110 §10.2.3) to milliseconds, at most a day; undefined for an unusable value. */
export function parseRetryAfter(written: string | undefined, now: number): number | undefined {
  if (written === undefined) return undefined;
  const wait = /^\d{1,9}$/.test(written) ? Number(written) * 1000 : Date.parse(written) - now;
  return Number.isNaN(wait) ? undefined : Math.min(Math.max(wait, 0), MAX_RETRY_AFTER_MS);
}

function messageOf(error: unknown): string {
  // With several addresses the error is an AggregateError without a message.
  const [first] = error instanceof AggregateError ? error.errors : [error];
  return first instanceof Error ? first.message : String(first);
}
