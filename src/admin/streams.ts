import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Identity } from '../auth/identity.ts';
import type { ConnectionDescription } from '../server/limits/connection-list.ts';
import { identityOf } from '../server/request.ts';
import { Connections } from '../transports/connections.ts';
import { EventStream } from '../transports/stream/event-stream.ts';
import { formatEvent } from '../transports/stream/events.ts';
import { checkStreamable, startResponse } from '../transports/stream/response.ts';
import type { NamedPart, TransportContext } from '../transports/transport.ts';
import type { AdminApp } from './admin-hooks.ts';

/** Milliseconds between two looks at what a stream shows. */
const EVERY_MS = 1000;
const KEEPALIVE = ': ping\n\n';

/** Makes what a stream shows; `own` is the id of its connection. */
export type Show = (app: AdminApp, own: string) => object;

interface StreamOptions {
  readonly app: AdminApp;
  readonly identity: Identity;
  readonly path: string;
  readonly event: string;
  readonly show: Show;
}

/** An open stream of the admin API: an event when it opens, and one a second while what it shows changes. */
class AdminStream extends EventStream {
  identity: Identity;
  readonly #options: StreamOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #id = randomUUID();
  #sent = '';

  constructor(output: Duplex, isChunked: boolean, options: StreamOptions) {
    super(output, isChunked);
    this.identity = options.identity;
    this.#options = options;
    this.#timer = setInterval(() => this.look(), EVERY_MS).unref();
  }

  /** Begins with the state of now. */
  begin(): void {
    if (this.opened !== undefined) this.opened.id = this.#id;
    this.look();
  }

  /** Sends what has changed. A client that has not taken the last event gets the next one later. */
  look(): void {
    if (this.pending > 0) return;
    const { app, event, show } = this.#options;
    const text = JSON.stringify(show(app, this.#id));
    if (text === this.#sent) return;
    this.#sent = text;
    this.send(formatEvent(event, text));
  }

  drained(): void {}

  reauthorize(): void {
    const { app } = this.#options;
    app.application.access.checkAdmin('the admin API', this.identity);
  }

  describe(): ConnectionDescription {
    return { transport: 'admin', path: this.#options.path };
  }

  protected get keepalive(): string {
    return KEEPALIVE;
  }

  protected closed(): void {
    clearInterval(this.#timer);
  }
}

/** The open streams of the admin API of all applications. */
export class AdminStreams implements NamedPart {
  readonly name = 'admin';
  readonly #connections: Connections<AdminStream>;

  constructor({ admission, config }: Pick<TransportContext, 'admission' | 'config'>) {
    this.#connections = new Connections(admission, { interval: config.channels.ssePingInterval });
  }

  /** Opens a stream whose events have this name. Refuses before it begins what can be refused. */
  open(request: FastifyRequest, reply: FastifyReply, what: Pick<StreamOptions, 'app' | 'event' | 'show'>): void {
    checkStreamable(request, reply);
    this.#connections.admit(request);
    const { appId } = what.app.config;
    const path = request.url.split('?', 1)[0] as string;
    const isChunked = request.raw.httpVersion === '1.1';
    const identity = identityOf(request);
    const stream = new AdminStream(startResponse(request, reply), isChunked, { ...what, identity, path });
    this.#connections.open(stream, { request, registry: what.app.auth?.connections, appId });
    stream.begin();
  }

  status() {
    return { connections: this.#connections.size };
  }

  stop(): void {
    this.#connections.stop();
  }

  abort(): void {
    this.#connections.abort();
  }
}
