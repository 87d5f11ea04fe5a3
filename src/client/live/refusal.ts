import type { Environment } from '../connection/environment.ts';
import { request } from '../connection/http.ts';
import type { Refusal } from '../connection/link.ts';
import { asError, TablecastError } from '../error.ts';
import { takeOut, withSearch } from '../query.ts';

export interface Asked {
  readonly url: string;
  readonly search: string;
  /** A table that has never answered: where it is unknown, it is not waited for. */
  readonly isTable: boolean;
}

const FINAL = new Set([400, 401, 403, 414]);

/**
 * Asks by HTTP what the answer to a WebSocket was, since a page is not told: the same address, and of the query what a
 * list has too. Where REST is off, nothing is found out, and the connection is tried again.
 */
export async function whyRefused(environment: Environment, { url, search, isTable }: Asked): Promise<Refusal> {
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
