import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CompressionConfig, ConsoleConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import { makeNetworkCheck } from '../client-address.ts';
import { makeCompressHook } from '../content/compress-hook.ts';
import { type ConsoleFile, readConsoleFile, readConsolePage } from './console-files.ts';
import { registerPageHeaders } from './page-headers.ts';

/** First segment of the console's addresses. */
export const CONSOLE_PATH = '/_console';

/** Nothing from elsewhere, nothing inline, no frames, and no way from text to HTML (Trusted Types). */
export const CONSOLE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HASHED_FILE_AGE = 'public, max-age=31536000, immutable';

/** An application that the console may show. */
export interface ConsoleApp {
  readonly appId: string;
  /** Authentication of callers: none, with a token of another issuer or an API key, or also with name and password. */
  readonly auth: 'none' | 'token' | 'users';
  readonly signup: boolean;
  /** Role of administrators; undefined where callers do not authenticate. */
  readonly adminRole: string | undefined;
  /** Whether it has pages of its own, at `/{app_id}/`. */
  readonly page: boolean;
  readonly docs: boolean;
  /** False for an application that is not in the list, and whose console has to be opened by its address. */
  readonly isListed: boolean;
  /** Whether `/{app_id}/console` leads there. */
  readonly hasAlias: boolean;
}

export interface ConsoleRoutes {
  readonly apps: readonly ConsoleApp[];
  /** Sentence for clients where the server has a console and does not serve it. */
  readonly refusal: string | undefined;
  /** Folder of the built files; undefined when there is none. */
  readonly folder: string | undefined;
  readonly config: ConsoleConfig;
  readonly compression: CompressionConfig;
}

/** Serves the console at `/_console/`, and the list of its applications at `/_console/apps.json`. */
export function registerConsole(app: FastifyInstance, routes: ConsoleRoutes): void {
  const { apps, refusal, config, compression } = routes;
  const isAllowed = makeNetworkCheck(config.allow);
  void app.register(async (scope) => {
    await registerPageHeaders(scope);
    scope.addHook('onSend', makeCompressHook(compression));
    scope.addHook('onRequest', (request, reply, done) => {
      reply.header('content-security-policy', CONSOLE_POLICY);
      if (!isAllowed(request)) done(new AppError('FORBIDDEN', 'The console is not for clients at this address.'));
      else if (refusal !== undefined) done(new AppError('NOT_FOUND', refusal));
      else done();
    });
    scope.get(CONSOLE_PATH, (_request, reply) => reply.redirect(`${CONSOLE_PATH.slice(1)}/`, 308));
    scope.get(`${CONSOLE_PATH}/apps.json`, (_request, reply) =>
      reply.header('cache-control', 'no-cache').send({
        apps: apps.filter((it) => it.isListed).map(describe),
        idle_lock: config.idleLock / 1000,
      }),
    );
    scope.get(`${CONSOLE_PATH}/*`, (request, reply) => answer(request, reply, routes));
    // Relative, since a proxy may have removed a part of the path.
    for (const { appId } of apps.filter(({ hasAlias }) => hasAlias)) {
      scope.get(`/${appId}/console`, (_request, reply) => reply.redirect(`..${CONSOLE_PATH}/${appId}/`, 308));
    }
  });
}

function describe({ appId, auth, signup, adminRole, page, docs }: ConsoleApp): object {
  return { app_id: appId, auth, signup, ...(adminRole === undefined ? {} : { admin_role: adminRole }), page, docs };
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  { apps, folder }: ConsoleRoutes,
): Promise<FastifyReply> {
  // As written: an encoded slash is part of a key, and no further level.
  const path = (request.url.split('?', 1)[0] as string).slice(CONSOLE_PATH.length + 1);
  const file = await find(path, folder, apps);
  if (file === undefined) {
    const isBuilt = folder !== undefined && (await readConsolePage(folder, 0)) !== undefined;
    throw new AppError(
      'NOT_FOUND',
      isBuilt ? 'The console has nothing at this address.' : 'The console has not been built.',
    );
  }
  reply.header('etag', file.etag).header('cache-control', file.isHashed ? HASHED_FILE_AGE : 'no-cache');
  const known = request.headers['if-none-match'];
  if (known?.split(',').some((tag) => tag.trim() === file.etag)) return reply.code(304).send();
  return reply.type(file.type).send(file.body);
}

/** Finds a file of the console, else the page where an application's screens are. */
async function find(
  path: string,
  folder: string | undefined,
  apps: readonly ConsoleApp[],
): Promise<ConsoleFile | undefined> {
  if (folder === undefined) return undefined;
  const segments = path.split('/');
  if (path === '' || path === 'index.html') return readConsolePage(folder, 0);
  if (apps.some(({ appId }) => appId === segments[0])) return readConsolePage(folder, segments.length - 1);
  return readConsoleFile(folder, path);
}
