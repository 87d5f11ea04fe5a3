import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ownPath, TRANSACTION_NAME } from '../../config/reserved-paths.ts';
import { AppError, invalidField } from '../../errors.ts';
import { isObject } from '../../resources/body/values.ts';
import type { TransactionRequest } from '../../resources/transactions/transactions.ts';
import { formatResults, makeTransactionKey } from '../../resources/transactions/wire.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import { Content } from '../../server/content/content.ts';
import { identityOf, queryOf } from '../../server/request.ts';
import { tablesOf } from '../endpoint.ts';
import {
  beginRequest,
  oneBody,
  parseIdempotencyKey,
  type RequestContext,
  refusePrecondition,
} from '../rest/request.ts';
import { markReplayed, type ResponseBody, respond, wantsMinimal } from '../rest/response.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';

/** Serves transactions over several tables: PROTOCOL.md §3.3. */
export const createTransactionsTransport: TransportFactory = (context) => new TransactionsTransport(context);

class TransactionsTransport implements Transport {
  readonly name = 'transactions';
  readonly #context: TransportContext;

  constructor(context: TransportContext) {
    this.#context = context;
  }

  register(server: FastifyInstance, apps: readonly MountedApp[]): void {
    const content = new Content(this.#context.config.compression);
    for (const app of apps) {
      const { config, auth } = app;
      const onRequest = auth === undefined ? [] : [makeAuthentication(auth)];
      const options = { constraints: { transport: 'rest' }, onRequest };
      server.post(ownPath(config.appId, TRANSACTION_NAME), options, async (request, reply) =>
        answer(app, beginRequest(content, request, reply)),
      );
    }
  }

  status() {
    return { connections: 0 };
  }

  /** Does nothing: requests in flight finish, and the server accepts no new ones. */
  stop(): void {}

  abort(): void {}
}

async function answer(app: MountedApp, context: RequestContext): Promise<ResponseBody> {
  const { request, reply } = context;
  refusePrecondition(request.headers);
  if (queryOf(request) !== '') throw new AppError('INVALID_QUERY', 'A transaction accepts no query parameters.');
  const result = await app.transactions.run(toTransaction(app, request));
  markReplayed(reply, result);
  const results = formatResults(result, !wantsMinimal(request, reply));
  return respond(context, `{"seq":${result.seq},"results":${results}}`);
}

function toTransaction(app: MountedApp, request: FastifyRequest): TransactionRequest {
  const body = oneBody(request);
  if (!isObject(body)) throw new AppError('VALIDATION_ERROR', 'A transaction is an object with steps.');
  const unknown = Object.keys(body).find((name) => name !== 'steps');
  if (unknown !== undefined)
    throw invalidField(unknown.slice(0, 100), 'is not a property of a transaction; it has steps');
  const { steps } = body;
  const identity = identityOf(request);
  const key = parseIdempotencyKey(request);
  const once = key === undefined ? undefined : makeTransactionKey({ identity, key, steps });
  return { identity, resources: tablesOf(app, 'rest'), steps, once };
}
