import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import websocketPlugin from '@fastify/websocket';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { WebSocket } from 'ws';
import type { Limits } from '../../config/config.ts';
import { isCredentialOffer } from '../../server/auth/credential.ts';
import { webSocketUpgrades } from './upgrades.ts';

/** A scope of the server in which WebSockets can be opened. In a box, since a promise would take the scope for another one. */
export interface SocketScope {
  readonly scope: FastifyInstance;
}

const scopes = new WeakMap<FastifyInstance, SocketScope>();
const subprotocols = new WeakMap<IncomingMessage, string>();

/** What the 101 gives back of the offered subprotocols; without it the first offer. */
export function agreeOn(request: FastifyRequest, subprotocol: string): void {
  subprotocols.set(request.raw, subprotocol);
}

/**
 * Agrees on the first offered subprotocol that is no credential, whatever it is; browsers break off when nothing that
 * they offered comes back.
 */
export function agreeOnAny(request: FastifyRequest): void {
  const offers = request.headers['sec-websocket-protocol']?.split(',').map((offer) => offer.trim());
  const chosen = offers?.find((offer) => !isCredentialOffer(offer)) ?? offers?.[0];
  if (chosen !== undefined) agreeOn(request, chosen);
}

/**
 * Where routes with `websocket: true` are registered. All transports share one: each would listen for upgrades of the
 * server by itself, and answer every one of them.
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
      // `stop` has told them; the plugin must not close them with another code.
      preClose: (done) => done(),
    });
    scopes.set(app, { scope });
  });
  return scopes.get(app) as SocketScope;
}

export interface SocketRoute {
  readonly url: string;
  /** Finds out who is asking, before `check`. */
  readonly onRequest?: onRequestHookHandler | undefined;
  /** Refuses with a plain HTTP error what must not be upgraded. */
  check(request: FastifyRequest, reply: FastifyReply): void | Promise<void>;
  /** After the 101. Messages that came with the handshake are lost unless listeners are added at once. */
  open(ws: WebSocket, socket: Socket, request: FastifyRequest): void;
}

/** A URL on which a WebSocket can be opened. */
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
