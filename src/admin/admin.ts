import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ownPath } from '../config/reserved-paths.ts';
import { AppError } from '../errors.ts';
import { makeCompressHook } from '../server/content/compress-hook.ts';
import { type AdminApp, makeAdminHooks } from './admin-hooks.ts';
import { endConnection, listConnections } from './connections.ts';
import { readParameters } from './parameters.ts';
import { explainQuery } from './reads/explain.ts';
import { listKeys, listRooms, listUsers } from './reads/lists.ts';
import { readLogPage } from './reads/log.ts';
import { readPast } from './reads/past.ts';
import { planFiles, planGiven } from './reads/plan.ts';
import { describeSchema, type SchemaFile } from './reads/schema.ts';
import { tellWhy } from './reads/why.ts';
import type { AdminStreams, Show } from './streams.ts';
import { issueView } from './view-as.ts';

type Read = (request: FastifyRequest, app: AdminApp) => Promise<object> | object;

/** Reads of the admin API, by the last segment of their addresses. */
const READS: Readonly<Record<string, Read>> = {
  log: readLogPage,
  at: readPast,
  'schema/plan': planFiles,
  'explain/:table': explainQuery,
  why: tellWhy,
  rooms: withoutParameters(listRooms),
  connections: withoutParameters((app) => listConnections(app)),
  users: withoutParameters((app) => listUsers(accountsOf(app))),
  keys: withoutParameters((app) => listKeys(accountsOf(app))),
};

/** Addresses that are event streams, too. The name of their events is that of the address. */
const STREAMS: Readonly<Record<string, Show>> = { connections: listConnections };

const REST = { constraints: { transport: 'rest' } };
const SSE = { constraints: { transport: 'sse' }, exposeHeadRoute: false };

/** Registers `/{app_id}/_/admin/…`, which is for administrators and in no document of the application's API. */
export async function registerAdmin(server: FastifyInstance, app: AdminApp, streams: AdminStreams): Promise<void> {
  const files = await readSchemaFiles(app);
  const hooks = makeAdminHooks(app);
  const { plan, planTag } = app.application;
  const auth = app.auth?.config;
  const reads: Record<string, Read> = {
    ...READS,
    schema: withoutParameters(() => describeSchema({ plan, planTag, auth, files })),
  };
  await server.register(async (scope) => {
    scope.addHook('onSend', makeCompressHook(app.server.compression));
    for (const [name, read] of Object.entries(reads)) {
      const path = ownPath(app.config.appId, `admin/${name}`);
      scope.get(path, { ...REST, ...hooks }, async (request, reply) =>
        reply.type('application/json; charset=utf-8').send(JSON.stringify(await read(request, app))),
      );
    }
    for (const [event, show] of Object.entries(STREAMS)) {
      scope.get(ownPath(app.config.appId, `admin/${event}`), { ...SSE, ...hooks }, (request, reply) => {
        readParameters(request, []);
        streams.open(request, reply, { app, event, show });
      });
    }
    const view = ownPath(app.config.appId, 'admin/view-as');
    scope.post(view, { ...REST, ...hooks }, async (request, reply) => {
      const issued = await issueView(request, app);
      return reply.code(201).type('application/json; charset=utf-8').send(JSON.stringify(issued));
    });
    const preview = ownPath(app.config.appId, 'admin/schema/plan');
    scope.post(preview, { ...REST, ...hooks }, async (request, reply) =>
      reply.type('application/json; charset=utf-8').send(JSON.stringify(await planGiven(request, app))),
    );
    const connection = ownPath(app.config.appId, 'admin/connections/:id');
    scope.delete<{ Params: { id: string } }>(connection, { ...REST, ...hooks }, async (request, reply) => {
      readParameters(request, []);
      endConnection(app, request.params.id);
      return reply.code(204).send();
    });
  });
}

function withoutParameters(read: (app: AdminApp) => Promise<object> | object): Read {
  return (request, app) => {
    readParameters(request, []);
    return read(app);
  };
}

function accountsOf({ auth }: AdminApp) {
  if (auth !== undefined) return auth.local.accounts;
  throw new AppError('NOT_FOUND', 'There are no users and keys: authentication is off.');
}

/** Reads the files as they are at the start, which is what the server runs with. */
async function readSchemaFiles({ config: { dir, schemas } }: AdminApp): Promise<SchemaFile[]> {
  return Promise.all(schemas.map(async (path) => ({ path: relative(dir, path), text: await readFile(path, 'utf8') })));
}
