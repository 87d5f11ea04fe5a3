import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Identity } from '../../auth/identity.ts';
import { ownPath } from '../../config/reserved-paths.ts';
import { AppError } from '../../errors.ts';
import type { RealtimeConnection, RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import { checkClient } from '../../resources/subscription-query.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import { LIVE_SUBPROTOCOLS, type MessageFormat } from '../../server/content/formats.ts';
import { identityOf, queryOf, readUserId } from '../../server/request.ts';
import { Connections } from '../connections.ts';
import type { SocketLimits } from '../socket/client-socket.ts';
import { addSocketRoute, agreeOn, type SocketScope, socketScope } from '../socket/scope.ts';
import { checkHandshake } from '../socket/upgrades.ts';
import { answerHead, checkStreamable, hasGone, startResponse } from '../stream/response.ts';
import type { MountedApp, Transport, TransportContext, TransportFactory } from '../transport.ts';
import { chooseSubprotocol, readOffers } from '../ws/subprotocol.ts';
import { type LiveCodec, loadLiveCodec } from './codec.ts';
import { LoneFrames } from './lone-frames.ts';
import type { SessionContext } from './session.ts';
import { LiveSocket } from './socket.ts';
import { LiveStream } from './stream.ts';

/** Creates the transport of protocol v1, over WebSocket and over Server-Sent Events with POST: PROTOCOL.md §7. */
export const createLiveTransport: TransportFactory = (context) => new LiveTransport(context);

/** One application on this transport. */
interface ServedApp {
  readonly app: MountedApp;
  readonly sockets: SessionContext;
  readonly streams: SessionContext;
  readonly limits: SocketLimits;
  readonly loneFrames: LoneFrames;
}

/** Result of the checks of a request, for the connection that it opens. */
interface CheckedOpening {
  readonly identity: Identity;
  readonly clientId: string | undefined;
  readonly userId: string | undefined;
  readonly codec: LiveCodec;
  readonly realtime: RealtimeConnection | undefined;
}

class LiveTransport implements Transport {
  readonly name = 'live';
  readonly #context: TransportContext;
  readonly #sockets: Connections<LiveSocket>;
  readonly #streams: Connections<LiveStream>;
  readonly #streamsById = new Map<string, LiveStream>();
  readonly #codecs = new Map<MessageFormat, LiveCodec>();
  readonly #checked = new WeakMap<FastifyRequest, CheckedOpening>();

  constructor(context: TransportContext) {
    this.#context = context;
    const { pingInterval, ssePingInterval } = context.config.channels;
    this.#sockets = new Connections(context.admission, { interval: pingInterval });
    this.#streams = new Connections(context.admission, { interval: ssePingInterval });
  }

  async register(server: FastifyInstance, apps: readonly MountedApp[]): Promise<void> {
    const scope = await socketScope(server, this.#context.config.limits);
    for (const app of apps) {
      const served = this.#serve(app);
      this.#addSocket(scope, served);
      this.#addStream(server, served);
    }
  }

  status() {
    return { connections: this.#sockets.size + this.#streams.size };
  }

  stop(): void {
    this.#sockets.stop();
    this.#streams.stop();
  }

  abort(): void {
    this.#sockets.abort();
    this.#streams.abort();
  }

  #serve(app: MountedApp): ServedApp {
    const { channels, limits } = this.#context.config;
    const { resources, transactions, planTag, auth, roomServices: rooms } = app;
    const { subscriptions, message, waitingMessages, messagesPerSecond } = limits;
    // A client that comes back asks for all of its subscriptions at once.
    const messagesBurst = limits.messagesBurst + subscriptions;
    const shared = {
      limits: { subscriptions, message, waitingMessages, messagesPerSecond, messagesBurst },
      maxIdLength: limits.id,
      planTag,
      transactions,
      rooms,
      auth,
      onError: (error: unknown) => this.#context.onError(error),
    };
    const tablesWith = (name: 'ws' | 'sse') =>
      new Map([...resources].filter(([, { table }]) => table.transports.has(name)));
    const { pongTimeout, slowClientTimeout } = channels;
    return {
      app,
      sockets: { ...shared, tables: tablesWith('ws') },
      streams: { ...shared, tables: tablesWith('sse') },
      limits: { pongTimeout, slowClientTimeout, messagesPerSecond, messagesBurst, waitingMessages, message },
      loneFrames: new LoneFrames(),
    };
  }

  #addSocket(scope: SocketScope, served: ServedApp): void {
    addSocketRoute(scope, {
      url: pathOf(served.app),
      onRequest: authenticationOf(served.app),
      check: async (request) => {
        checkHandshake(request.raw);
        const offers = readOffers(request.headers['sec-websocket-protocol']);
        const { name, format } = chooseSubprotocol(offers, LIVE_SUBPROTOCOLS);
        if (name !== undefined) agreeOn(request, name);
        this.#sockets.admit(request);
        const checked = await this.#check(request, served.app, format);
        this.#checked.set(request, checked);
        const { socket } = request.raw;
        // For the hooks, the connection ends with its socket, upgraded or not.
        if (socket.destroyed) checked.realtime?.closed();
        else socket.once('close', () => checked.realtime?.closed());
        this.#sockets.readmit(request);
      },
      open: (ws, socket, request) => this.#openSocket(ws, socket, { request, served }),
    });
  }

  #addStream(server: FastifyInstance, served: ServedApp): void {
    const url = pathOf(served.app);
    const onRequest = authenticationOf(served.app);
    const guarded = onRequest === undefined ? {} : { onRequest };
    const options = { ...guarded, constraints: { transport: 'sse' }, exposeHeadRoute: false };
    server.get(url, options, (request, reply) => this.#openStream(request, reply, served));
    server.head(url, { ...options }, (_request, reply) => answerHead(reply));
    const plain = { exposeHeadRoute: false, constraints: { transport: 'rest' } };
    server.get(url, plain, refusePlain);
    server.post<{ Params: { connection: string } }>(`${url}/:connection`, guarded, (request, reply) =>
      this.#receive(request, reply, request.params.connection),
    );
  }

  async #check(request: FastifyRequest, { hooks, auth }: MountedApp, format: MessageFormat): Promise<CheckedOpening> {
    const identity = identityOf(request);
    const query = queryOf(request);
    const { limits } = this.#context.config;
    const clientId = readClientId(query);
    // Where authentication is on, an unverified `user_id` is ignored.
    const userId = auth === undefined ? readUserId(query, limits.id) : undefined;
    const codec = this.#codecs.get(format) ?? (await loadLiveCodec(format, limits));
    this.#codecs.set(format, codec);
    const realtime = hooks && (await connect(hooks, identity));
    return { identity, clientId, userId, codec, realtime };
  }

  #openSocket(ws: WebSocket, socket: Socket, { request, served }: OpenedRequest): void {
    const checked = this.#checked.get(request) as CheckedOpening;
    const { limits, sockets: context, app, loneFrames } = served;
    const client = new LiveSocket(ws, socket, {
      ...checked,
      context,
      connection: randomUUID(),
      limits,
      loneFrames,
    });
    this.#sockets.open(client, { request, registry: app.auth?.connections, appId: app.config.appId });
    client.session.greet();
  }

  async #openStream(request: FastifyRequest, reply: FastifyReply, served: ServedApp): Promise<void> {
    checkStreamable(request, reply);
    this.#streams.admit(request);
    const checked = await this.#check(request, served.app, 'json');
    const { realtime } = checked;
    try {
      if (hasGone(request, reply)) {
        realtime?.closed();
        reply.hijack();
        return;
      }
      this.#streams.readmit(request);
      this.#startStream(request, reply, { checked, served });
    } catch (error) {
      realtime?.closed();
      throw error;
    }
  }

  #startStream(
    request: FastifyRequest,
    reply: FastifyReply,
    { checked, served: { streams: context, app } }: { checked: CheckedOpening; served: ServedApp },
  ): void {
    const connection = randomUUID();
    const isChunked = request.raw.httpVersion === '1.1';
    const output = startResponse(request, reply);
    const stream = new LiveStream(output, { ...checked, context, connection, isChunked });
    this.#streamsById.set(connection, stream);
    output.once('close', () => this.#streamsById.delete(connection));
    this.#streams.open(stream, { request, registry: app.auth?.connections, appId: app.config.appId });
    // Relative to the address of the stream, so that it also holds behind a proxy that adds a prefix.
    stream.session.greet({ post: `live/${connection}` });
  }

  /** Takes the messages of the client of an event stream. */
  #receive(request: FastifyRequest, reply: FastifyReply, connection: string): FastifyReply {
    const stream = this.#streamsById.get(connection);
    if (stream === undefined) throw new AppError('NOT_FOUND', 'There is no such connection; open the stream again.');
    checkSender(identityOf(request), stream.identity);
    const { body } = request;
    const messages = Array.isArray(body) ? body : [body];
    if (body === undefined || messages.length === 0) {
      throw new AppError('BAD_REQUEST', 'The body is a message, or an array of messages.');
    }
    stream.receive(messages, Number(request.headers['content-length'] ?? 0));
    return reply.code(202).header('cache-control', 'no-store').send();
  }
}

interface OpenedRequest {
  readonly request: FastifyRequest;
  readonly served: ServedApp;
}

function pathOf({ config }: MountedApp): string {
  return ownPath(config.appId, 'live');
}

function authenticationOf({ auth }: MountedApp) {
  return auth === undefined
    ? undefined
    : makeAuthentication(auth, { ticket: true, token: auth.config.queryToken }, { acceptsViews: true });
}

async function connect(hooks: RealtimeHooks, identity: Identity): Promise<RealtimeConnection> {
  return hooks.connect({ identity, transport: 'live', collection: null });
}

/** Requires the subject that has opened the stream; the id of the connection alone shows an anonymous client. */
function checkSender(sender: Identity, owner: Identity): void {
  const isSame = owner.type !== 'principal' || (sender.type === 'principal' && sender.sub === owner.sub);
  if (!isSame) throw new AppError('FORBIDDEN', 'The stream was opened by another subject.');
}

/** Reads `client` of the address of a connection. Throws INVALID_QUERY for any other parameter. */
function readClientId(rawQuery: string): string | undefined {
  const parameters = new URLSearchParams(rawQuery);
  const unknown = [...parameters.keys()].find((name) => !['client', 'stream', 'user_id'].includes(name));
  if (unknown !== undefined) {
    throw new AppError('INVALID_QUERY', 'This address accepts client and user_id; subscriptions are in messages.');
  }
  const client = parameters.get('client');
  return client === null ? undefined : checkClient(client);
}

function refusePlain(): never {
  const headers = { upgrade: 'websocket' };
  throw new AppError('UPGRADE_REQUIRED', 'This address is for WebSockets and event streams.', { headers });
}
