import { once } from 'node:events';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler } from 'fastify';
import { StartError } from '../../config/files/diagnostic.ts';
import { diagnoseFile } from '../../config/files/source.ts';
import { stoppingError } from '../../errors.ts';
import { Rooms } from '../../hub/rooms/rooms.ts';
import type { TransportName } from '../../schema/plan.ts';
import { makeAuthentication } from '../../server/auth/authentication.ts';
import type { TransportStatus } from '../../transports/transport.ts';
import type { Connector, ConnectorContext, Deliver, Handle, SourceUse, TargetUse } from '../connector.ts';
import type { ConnectionInfo, RoomHost } from './connection-events.ts';
import { readConnectionInfo } from './connection-info.ts';
import { OwnServer } from './own-server.ts';
import { hostOf, type RoomSettings } from './settings.ts';
import { deliverTo } from './targets.ts';

/** Milliseconds that flows get to end after the connections were cut off. */
const LAST_MOMENT = 1000;

/** A connector whose clients connect to it and are in rooms: where it is, who comes, what flows have to do with it. */
export abstract class RoomConnector<S extends RoomSettings> implements Connector, RoomHost {
  readonly name: string;
  readonly rooms: Rooms;
  protected readonly settings: S;
  protected readonly context: ConnectorContext;
  protected isStopping = false;
  readonly #handles = new Map<string, Handle>();
  readonly #work = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #own: OwnServer | undefined;
  /** Connections, also those that are being closed and are in no room any more. */
  #open = 0;
  /** Called when nobody is connected any more. */
  #emptied = (): void => {};

  constructor(settings: S, context: ConnectorContext) {
    this.name = context.name;
    this.settings = settings;
    this.context = context;
    const { channels } = context.server;
    this.rooms = new Rooms({
      channels,
      limits: settings,
      presence: settings.presence ? settings.presenceNames : undefined,
    });
  }

  /** Adds the routes of a URL. */
  protected abstract serve(app: FastifyInstance, urls: readonly string[]): Promise<void> | void;
  /** Tells all connections that the server stops, and closes them. */
  protected abstract closeAll(): void;
  protected abstract cutAll(): void;

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
    return deliverTo(this.rooms, operation);
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
    this.isStopping = true;
    this.context.admission.close();
    this.closeAll();
    await this.#own?.stop();
    await this.settled();
  }

  abort(): void {
    this.cutAll();
    this.#own?.abort();
    setTimeout(() => this.#abort.abort(), LAST_MOMENT).unref();
  }

  /** Resolves when all connections have gone, and flows are done with them; or when there is no more time for that. */
  async settled(): Promise<void> {
    const aborted = once(this.signal, 'abort');
    if (this.#open > 0) {
      await Promise.race([aborted, new Promise<void>((resolve) => (this.#emptied = resolve))]);
    }
    // Each thing that ends may have been the one before another.
    while (this.#work.size > 0 && !this.signal.aborted) await Promise.race([aborted, Promise.all(this.#work)]);
  }

  close(): void {
    this.rooms.close();
  }

  status(): TransportStatus {
    return { connections: this.#open, rooms: this.rooms.rooms };
  }

  track(work: Promise<void>): void {
    this.#work.add(work);
    void work.finally(() => this.#work.delete(work));
  }

  /** Asks who comes; undefined where nobody is asked. */
  protected get authentication(): onRequestHookHandler | undefined {
    const { auth } = this.context;
    return auth && makeAuthentication(auth, { ticket: true, token: auth.config.queryToken });
  }

  /** A connection has come; `left` when it has gone. */
  protected entered(): void {
    this.#open++;
  }

  protected left(): void {
    this.#open--;
    if (this.#open === 0) this.#emptied();
  }

  /** Throws what refuses a connection. */
  protected admit(request: FastifyRequest): ConnectionInfo {
    if (this.isStopping) throw stoppingError();
    this.context.admission.check(request);
    const { auth, server } = this.context;
    return readConnectionInfo(request, { auth, settings: this.settings, id: server.limits.id });
  }

  /** Throws StartError when something else is at a URL. */
  protected checkFree(app: FastifyInstance, url: string, transport: TransportName): void {
    if (!app.hasRoute({ url, method: 'GET', constraints: { transport } })) return;
    const message = `it is at ${url}, where something else is`;
    throw new StartError([diagnoseFile(`connectors.${this.name}`, message, 'set another path')]);
  }
}
