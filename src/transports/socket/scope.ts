import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import websocketPlugin from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { WebSocket } from 'ws';
import type { Limits } from '../../config/config.ts';
import { isCredentialOffer } from '../../server/auth/credential.ts';
import { webSocketUpgrades } from './upgrades.ts';

/** A scope of the server in which WebSockets can be opened. Wrapped: a Fastify instance is a thenable and must not be awaited. */
export interface SocketScope {
  readonly scope: FastifyInstance;
}

const scopes = new WeakMap<FastifyInstance, SocketScope>();
const subprotocols = new WeakMap<IncomingMessage, string>();

/** Sets the subprotocol of the 101; without it, the 101 has the first offer. */
export function agreeOn(request: FastifyRequest, subprotocol: string): void {
  subprotocols.set(request.raw, subprotocol);
}

/**
 * Agrees on the first offered subprotocol that is not a credential, whatever it is: browsers break off when none of
 * their offers comes back.
 */
export function agreeOnAny(request: FastifyRequest): void {
  const offers = request.headers['sec-websocket-protocol']?.split(',').map((offer) => offer.trim());
  const chosen = offers?.find((offer) => !isCredentialOffer(offer)) ?? offers?.[0];
  if (chosen !== undefined) agreeOn(request, chosen);
}

/**
 * Returns the scope in which routes with `websocket: true` are registered. All transports share one: several would each
 * listen for upgrades of the server, and answer every one of them.
 */
export async function socketScope(app: FastifyInstance, limits: Limits): Promise<SocketScope> {
  const known = scopes.get(app);
  if (known !== undefined) return known;
  await app.register(async (scope) => {
    await scope.register(websocketPlugin, {
      options: {
        server: webSocketUpgrades(app, limits.headerCount),
        maxPayload: limits.message,
        maxFragments: limits.messageFragments,
        maxBufferedChunks: limits.messageChunks,
        perMessageDeflate: false,
        clientTracking: false,
        handleProtocols: (offers: Set<string>, request: IncomingMessage) =>
          subprotocols.get(request) ?? [...offers][0] ?? false,
      } as NonNullable<Parameters<typeof websocketPlugin>[1]>['options'] & object,
      // `Connections.stop` closes them; the plugin must not do so with another code.
      preClose: (done) => done(),
    });
    scopes.set(app, { scope });
  });
  return scopes.get(app) as SocketScope;
}

export interface SocketRoute {
  readonly url: string;
  /** Authenticates the caller, before `check`. */
  readonly onRequest?: onRequestHookHandler | undefined;
  /** Throws AppError, which becomes a plain HTTP error, for a request that must not be upgraded. */
  check(request: FastifyRequest, reply: FastifyReply): void | Promise<void>;
  /** Called after the 101. Messages that came with the handshake are lost unless listeners are added at once. */
  open(ws: WebSocket, socket: Socket, request: FastifyRequest): void;
}

/** Registers a URL on which a WebSocket can be opened. */
export function addSocketRoute({ scope }: SocketScope, { url, onRequest, check, open }: SocketRoute): void {
  const replies = new WeakMap<FastifyRequest, FastifyReply>();
  scope.get(url, {
    websocket: true,
    constraints: { transport: 'ws' },
    exposeHeadRoute: false,
    ...(onRequest === undefined ? {} : { onRequest }),
    preValidation: async (request: FastifyRequest, reply: FastifyReply) => {
      await check(request, reply);
      replies.set(request, reply);
    },
    handler: (ws: WebSocket, request: FastifyRequest) => {
      const socket = request.raw.socket as Socket;
      // Both hold the request and its response for as long as the socket lives.
      replies.get(request)?.raw.detachSocket(socket);
      ws.removeAllListeners('error');
      open(ws, socket, request);
    },
  } as never);
}
