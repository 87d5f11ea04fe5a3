import type { Environment } from './connection/environment.ts';
import { type RequestOptions, readJson, request } from './connection/http.ts';
import type { Page, WriteOptions, Written } from './table.ts';
import type { AnyStep, StepResult, TransactionResult } from './transaction.ts';

/** Request of a table; `options` are those of its caller. */
export interface TableRequest {
  readonly url: string;
  readonly method: string;
  readonly options?: WriteOptions | undefined;
  /** Sent as JSON; undefined for no body. */
  readonly body?: unknown;
}

/** Reads one page of a list. */
export async function readPage<R>(environment: Environment, asked: TableRequest): Promise<Page<R>> {
  const response = await send(environment, asked);
  const { headers } = response;
  const total = headers.get('x-total-count');
  const next = /<[^>]*[?&]cursor=([^&>]*)[^>]*>;\s*rel="?next/.exec(headers.get('link') ?? '');
  return {
    records: await readJson<R[]>(response),
    position: positionOf(response),
    next: next?.[1] === undefined ? undefined : decodeURIComponent(next[1]),
    total: total === null ? undefined : Number(total),
  };
}

/** Sends a request, and returns the record or other JSON of its response with the position. */
export async function sendRequest<R>(environment: Environment, asked: TableRequest): Promise<Written<R>> {
  const response = await send(environment, asked);
  return { record: await readJson<R>(response), position: positionOf(response) };
}

/** Sends the steps of a transaction. */
export async function sendSteps(
  environment: Environment,
  steps: readonly AnyStep[],
  options: RequestOptions,
): Promise<TransactionResult> {
  const body = {
    steps: steps.map(({ ifSeq, ...step }) => {
      return ifSeq === undefined ? step : { ...step, if_seq: ifSeq === null ? null : Number(ifSeq) };
    }),
  };
  const url = new URL('_/transaction', environment.base).href;
  const response = await request(environment, url, { ...options, method: 'POST', body });
  const { seq, results } = await readJson<{ seq: number; results: StepResult[] }>(response);
  return { results, position: seq };
}

function send(environment: Environment, { url, method, body, options = {} }: TableRequest): Promise<Response> {
  const { ifSeq, ...others } = options;
  const headers = { ...others.headers };
  if (ifSeq === null) headers['if-none-match'] = '*';
  else if (ifSeq !== undefined) headers['if-match'] = `"${ifSeq}"`;
  return request(environment, url, { ...others, headers, method, ...(body !== undefined && { body }) });
}

function positionOf({ headers }: Response): number {
  return Number(headers.get('x-position'));
}
