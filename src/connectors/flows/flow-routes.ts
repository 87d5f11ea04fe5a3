import type { FastifyInstance, FastifyReply, FastifyRequest, RouteShorthandOptions } from 'fastify';
import type { AppAuth } from '../../auth/app-auth.ts';
import type { Access } from '../../auth/policy/access.ts';
import type { ServerConfig } from '../../config/config.ts';
import { isPrivate } from '../../config/loopback.ts';
import { ownPath } from '../../config/reserved-paths.ts';
import { AppError } from '../../errors.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import { ignoreEmptyBody } from '../../server/body.ts';
import { identityOf, parseQuery, queryOf } from '../../server/request.ts';
import type { StoredLetter } from '../../store/flows.ts';
import type { AppFlows } from './app-flows.ts';
import type { DeadLetter } from './run/dead-letters.ts';
import { describeFailure } from './run/failures.ts';
import type { FlowRunner } from './run/flow-runner.ts';

const NO_QUERY_CREDENTIALS = { ticket: false, token: false };
const DEFAULT_PAGE_ITEMS = 50;
const MAX_PAGE_ITEMS = 200;

export interface FlowRoutesOptions {
  readonly flows: AppFlows;
  readonly access: Access;
  readonly auth: AppAuth | undefined;
  readonly config: ServerConfig;
}

interface LetterRequest {
  Params: { readonly id: string };
}

/** Serves `/{app_id}/_/flows`, alias `/{app_id}/flows`, the state of flows and their dead letters, to callers with the admin role. */
export function registerFlowRoutes(server: FastifyInstance, options: FlowRoutesOptions): void {
  const { flows, auth } = options;
  const onRequest = [ignoreEmptyBody, ...(auth === undefined ? [] : [makeAuthentication(auth, NO_QUERY_CREDENTIALS)])];
  const preHandler = async (request: FastifyRequest, reply: FastifyReply) => {
    reply.header('cache-control', 'no-store');
    checkReader(request, options);
  };
  const guarded = { onRequest, preHandler };
  /** Ids of the dead letters that are being replayed. */
  const replaying = new Set<string>();
  for (const path of [ownPath(flows.appId, 'flows'), `/${flows.appId}/flows`]) {
    registerAt(server, path, { flows, guarded, replaying });
  }
}

interface FlowRoutesParts {
  readonly flows: AppFlows;
  readonly guarded: RouteShorthandOptions;
  readonly replaying: Set<string>;
}

function registerAt(server: FastifyInstance, path: string, { flows, guarded, replaying }: FlowRoutesParts): void {
  server.get(path, guarded, () => ({ flows: flows.runners.map((runner) => describeRunner(runner, flows)) }));
  server.get(`${path}/dead-letters`, guarded, (request) => listLetters(flows, parseQuery(queryOf(request), [])));
  server.get<LetterRequest>(`${path}/dead-letters/:id`, guarded, async ({ params }) => {
    const letter = await find(flows, params.id);
    return { ...toLetterBody(letter), input: letter.input };
  });
  server.delete<LetterRequest>(`${path}/dead-letters/:id`, guarded, async ({ params }, reply) => {
    await find(flows, params.id);
    await flows.deadLetters.remove(params.id);
    return reply.code(204).send();
  });
  server.post<LetterRequest>(`${path}/dead-letters/:id/replay`, guarded, async ({ params: { id } }) => {
    const letter = await find(flows, id);
    if (replaying.has(id)) throw new AppError('CONFLICT', 'The dead letter is being replayed.');
    replaying.add(id);
    try {
      return await replay(flows, letter);
    } finally {
      replaying.delete(id);
    }
  });
}

/**
 * Requires the admin role; where authentication is off, a server on loopback, since events may be confidential. Throws
 * UNAUTHORIZED or FORBIDDEN.
 */
function checkReader(request: FastifyRequest, { access, auth, config }: FlowRoutesOptions): void {
  if (auth !== undefined) access.checkAdmin('reading flows', identityOf(request));
  else if (!isPrivate(config)) {
    throw new AppError('FORBIDDEN', 'Without auth, flows can only be read where the server listens on loopback.');
  }
}

function describeRunner({ flow, counts, inFlight }: FlowRunner, { deadLetters }: AppFlows): object {
  const { source, targets } = flow;
  return {
    name: flow.name,
    from: { connector: source.connector, operation: source.use.operation },
    to: targets.map(({ connector, use: { operation, target } }) => ({ connector, operation, target })),
    events: counts.events,
    retries: counts.retries,
    at_work: inFlight,
    dead_letters: deadLetters.count(flow.name),
  };
}

async function listLetters({ deadLetters }: AppFlows, query: Readonly<Record<string, unknown>>): Promise<object> {
  const unknown = Object.keys(query).find((name) => !['flow', 'before', 'limit'].includes(name));
  if (unknown !== undefined) throw new AppError('INVALID_QUERY', `There is no parameter "${unknown}" here.`);
  const repeated = Object.keys(query).find((name) => Array.isArray(query[name]));
  if (repeated !== undefined) throw new AppError('INVALID_QUERY', `The parameter "${repeated}" is given twice.`);
  const { flow, before, limit = String(DEFAULT_PAGE_ITEMS) } = query as Readonly<Record<string, string | undefined>>;
  const size = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (size < 1 || size > MAX_PAGE_ITEMS) {
    throw new AppError('INVALID_QUERY', `limit is a number from 1 to ${MAX_PAGE_ITEMS}.`);
  }
  // One more than requested, to know whether there is another page.
  const found = await deadLetters.list({
    ...(flow === undefined ? {} : { flow }),
    ...(before === undefined ? {} : { before }),
    limit: size + 1,
  });
  const page = found.slice(0, size);
  return { dead_letters: page.map(toLetterBody), next: found.length > size ? page.at(-1)?.id : null };
}

function toLetterBody(letter: Omit<StoredLetter | DeadLetter, 'input' | 'notes' | 'identity'>): object {
  const { id, flow, key, error, attempts, done, created } = letter;
  return { id, flow, event_key: key, error, attempts, done, created_at: new Date(created).toISOString() };
}

async function find({ deadLetters }: AppFlows, id: string): Promise<DeadLetter> {
  const letter = await deadLetters.get(id);
  if (letter === undefined) throw new AppError('NOT_FOUND', 'There is no such dead letter.');
  return letter;
}

/** Replays a dead letter. Removes it on success; otherwise stores the new error. */
async function replay({ runners, deadLetters }: AppFlows, letter: DeadLetter): Promise<object> {
  const runner = runners.find(({ flow }) => flow.name === letter.flow);
  if (runner === undefined) throw new AppError('CONFLICT', `The flow "${letter.flow}" no longer exists.`);
  const done = [...letter.done];
  try {
    const result = await runner.replay(letter, done);
    await deadLetters.remove(letter.id);
    return { replayed: true, result };
  } catch (error) {
    await deadLetters.update(letter.id, { error: describeFailure(error), attempts: letter.attempts + 1, done });
    throw new AppError('FLOW_FAILED', `The flow has failed again: ${describeFailure(error)}`, { cause: error });
  }
}
