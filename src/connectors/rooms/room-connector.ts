import { once } from 'node:events';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { RoomRule } from '../../auth/rooms/rules.ts';
import { StartError } from '../../config/files/diagnostic.ts';
import { diagnoseFile } from '../../config/files/source.ts';
import { Rooms } from '../../hub/rooms/rooms.ts';
import type { TransportName } from '../../schema/plan.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import { type Connection, Connections } from '../../transports/connections.ts';
import type { RoomService } from '../../transports/live/rooms/service.ts';
import type { TransportStatus } from '../../transports/transport.ts';
import type { Connector, ConnectorContext, Deliver, Handle, SourceUse, TargetUse } from '../connector.ts';
import type { ConnectionInfo, RoomHooks, RoomHost } from './connection-events.ts';
import { checkAccess, readConnectionInfo } from './connection-info.ts';
import { LiveClients } from './live/clients.ts';
import { OwnServer } from './own-server.ts';
import { hostOf, type RoomSettings } from './settings.ts';
import { deliverTo } from './targets.ts';

/** Milliseconds that flows get to end after the connections were cut off. */
const MAX_LAST_FLOWS_MS = 1000;

/** A connector whose clients are in rooms: its address, the admission of clients, its flows. */
export abstract class RoomConnector<S extends RoomSettings, C extends Connection> implements Connector, RoomHost {
  readonly name: string;
  readonly rooms: Rooms;
  protected readonly settings: S;
  protected readonly context: ConnectorContext;
  /** Undefined for a connector with a port of its own: its clients are those that reach the port. */
  readonly roomService: RoomService | undefined;
  protected readonly connections: Connections<C>;
  readonly #liveClients: LiveClients;
  readonly #handles = new Map<string, Handle>();
  readonly #work = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #own: OwnServer | undefined;

  constructor(settings: S, context: ConnectorContext) {
    this.name = context.name;
    this.settings = settings;
    this.context = context;
    const { channels } = context.server;
    const { messages } = context.application;
    this.connections = new Connections(context.admission, { interval: settings.pingInterval });
    this.rooms = new Rooms({
      channels,
      limits: settings,
      presence: settings.presence ? settings.presenceNames : undefined,
      servers: messages && { messages, topic: `rooms/${this.name}` },
    });
    const { auth, application, server } = context;
    this.#liveClients = new LiveClients({
      ...{ host: this, rooms: this.rooms, limits: server.limits, settings, asked: this.asked },
      access: application.roomAccess,
      checkAccess: (identity) => checkAccess(identity, { auth, settings }),
    });
    this.roomService = settings.port === undefined ? this.#liveClients : undefined;
  }

  /** Adds the routes of a URL. */
  protected abstract serve(app: FastifyInstance, urls: readonly string[]): Promise<void> | void;

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  readonly onError = (error: unknown): void => this.context.onError(error);

  listen({ operation }: SourceUse, handle: Handle): void {
    this.#handles.set(operation, handle);
  }

  handleOf(operation: string): Handle | undefined {
    return this.#handles.get(operation);
  }

  target({ operation }: TargetUse): Deliver {
    return deliverTo(this.rooms, operation, { ...this.context, access: this.context.application.roomAccess });
  }

  async register(server: FastifyInstance): Promise<void> {
    const { port, path } = this.settings;
    if (port === undefined) {
      await this.serve(server, this.context.pathsOf(path));
      return;
    }
    const { server: config, dataDir, log } = this.context;
    this.#own = await OwnServer.create({
      ...{ name: this.name, host: hostOf(this.settings), port, path },
      ...{ config, dataDir, log },
    });
    await this.serve(this.#own.app, [path]);
    await this.#own.listen();
  }

  start(): void {}

  async stop(): Promise<void> {
    this.connections.stop();
    await this.#own?.stop();
    await this.settled();
  }

  abort(): void {
    this.connections.abort();
    this.#own?.abort();
    setTimeout(() => this.#abort.abort(), MAX_LAST_FLOWS_MS).unref();
  }

  /** Resolves when all connections have closed and their flows have ended, or when there is no more time for that. */
  async settled(): Promise<void> {
    const aborted = once(this.signal, 'abort');
    await Promise.race([aborted, Promise.all([this.connections.empty(), this.#liveClients.empty()])]);
    // A task that ends may be followed by another one.
    while (this.#work.size > 0 && !this.signal.aborted) await Promise.race([aborted, Promise.all(this.#work)]);
  }

  close(): void {
    this.rooms.close();
  }

  status(): TransportStatus {
    return { connections: this.connections.size, rooms: this.rooms.rooms };
  }

  track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  /** Undefined where authentication is off. */
  protected get authentication(): onRequestHookHandler | undefined {
    const { auth } = this.context;
    return auth && makeAuthentication(auth, { ticket: true, token: auth.config.queryToken });
  }

  /** Rules of the rooms of the application; undefined where it has none. */
  protected get rules(): readonly RoomRule[] | undefined {
    return this.context.application.roomAccess?.rules.rules;
  }

  /** Throws AppError for a connection that is refused. */
  protected admit(request: FastifyRequest): ConnectionInfo {
    this.connections.admit(request);
    const { auth, server } = this.context;
    return readConnectionInfo(request, { auth, settings: this.settings, id: server.limits.id });
  }

  /** Asks the hooks before a connection joins a room; undefined where there are none. */
  protected get asked(): RoomHooks | undefined {
    const { hooks, name: connector } = this.context;
    if (!hooks?.has('onRoomJoin')) return undefined;
    return (room, { identity, user = null }) => hooks.askJoin({ room, connector, identity, userId: user });
  }

  /** Throws StartError when the URL is taken. */
  protected checkFree(app: FastifyInstance, url: string, transport: TransportName): void {
    if (!app.hasRoute({ url, method: 'GET', constraints: { transport } })) return;
    const message = `${url} is used by something else`;
    throw new StartError([diagnoseFile(`connectors.${this.name}`, message, 'set another path')]);
  }
}
