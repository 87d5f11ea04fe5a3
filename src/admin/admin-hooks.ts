import type { FastifyReply, FastifyRequest, onRequestHookHandler, preHandlerHookHandler } from 'fastify';
import type { AppAuthWithAccounts } from '../auth/open-app-auth.ts';
import type { AppConfig, ServerConfig } from '../config/config.ts';
import { isPrivate } from '../config/loopback.ts';
import type { AppFlows } from '../connectors/flows/app-flows.ts';
import { AppError } from '../errors.ts';
import type { Application } from '../resources/application.ts';
import { makeAuthentication } from '../server/auth/authentication.ts';
import { ignoreEmptyBody } from '../server/body.ts';
import { makeNetworkCheck } from '../server/client-address.ts';
import type { Admission } from '../server/limits/admission.ts';
import { identityOf } from '../server/request.ts';
import { NEVER_KEPT } from '../server/response-headers.ts';

/** An application, as the admin API sees it. */
export interface AdminApp {
  readonly config: AppConfig;
  readonly server: ServerConfig;
  readonly application: Application;
  /** Undefined where authentication is off. */
  readonly auth: AppAuthWithAccounts | undefined;
  /** Undefined where the application has neither connectors nor flows. */
  readonly flows: AppFlows | undefined;
  /** Knows the open connections of all applications. */
  readonly admission: Pick<Admission, 'groups'>;
}

/** Hooks of every route of the admin API. */
export interface AdminHooks {
  readonly onRequest: onRequestHookHandler[];
  readonly preHandler: preHandlerHookHandler;
}

/**
 * Makes the hooks that decide about a caller of the admin API: its address, its credentials, the admin role. Where
 * authentication is off, every client of a server that only this machine can reach may read. They fail with FORBIDDEN or
 * UNAUTHORIZED.
 */
export function makeAdminHooks({ auth, application: { access }, server }: AdminApp): AdminHooks {
  const { console: settings } = server;
  const isAllowed = makeNetworkCheck(settings.allow);
  const checkAddress: onRequestHookHandler = (request, reply, done) => {
    reply.header('cache-control', NEVER_KEPT);
    done(
      isAllowed(request) ? undefined : new AppError('FORBIDDEN', 'The admin API is not for clients at this address.'),
    );
  };
  const authenticate = auth === undefined ? [] : [makeAuthentication(auth, { ticket: true, token: false })];
  return {
    onRequest: [checkAddress, ignoreEmptyBody, ...authenticate],
    preHandler: async (request: FastifyRequest, _reply: FastifyReply) => {
      if (auth !== undefined) access.checkAdmin('the admin API', identityOf(request));
      else if (!isPrivate(server)) {
        throw new AppError(
          'FORBIDDEN',
          'Without auth, the admin API is only there where the server listens on loopback.',
        );
      }
    },
  };
}
