import type { Environment } from '../connection/environment.ts';
import { request } from '../connection/http.ts';
import type { Refusal } from '../connection/link.ts';
import { asError, TablecastError } from '../error.ts';
import { takeOut, withSearch } from '../query.ts';

export interface RefusedChannel {
  readonly url: string;
  readonly search: string;
  /** True for a table that was never reached: when it does not exist, there is no retry. */
  readonly isTable: boolean;
}

const FINAL = new Set([400, 401, 403, 414]);

/**
 * Finds out by a GET why a WebSocket was refused, since a page does not receive the response: the same address, with the
 * parameters that lists have, too. Where REST is off the reason stays unknown, and the connection is tried again.
 */
export async function explainRefusal(
  environment: Environment,
  { url, search, isTable }: RefusedChannel,
): Promise<Refusal> {
  const { rest } = takeOut(search, 'client', 'echo', 'delta', 'limit', 'since', 'retained');
  const address = isTable ? withSearch(url, rest, 'limit=1') : url;
  try {
    await request({ ...environment, retryFor: 0, canRenew: false }, address, { method: 'GET' });
    return { error: new TablecastError('NETWORK', 'The connection was refused.'), isFinal: false };
  } catch (thrown) {
    const error = asError(thrown);
    return { error, isFinal: FINAL.has(error.status) || (isTable && error.status === 404) };
  }
}
