import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { ContractOperation } from '../../openapi/contract-operation.ts';
import { queryOf } from '../../server/query-of.ts';
import { Heartbeat } from '../../transports/heartbeat.ts';
import { checkStreamable, startResponse } from '../../transports/stream/response.ts';
import type { ConnectorContext, ConnectorType } from '../connector.ts';
import type { ConnectionInfo } from './connection-events.ts';
import { checkOpenness } from './connection-info.ts';
import { describeRoomStream } from './contract.ts';
import { RoomConnector } from './room-connector.ts';
import { checkRoomSettings, ROOM_TARGETS, type RoomSettings, roomKeys, VISITS } from './settings.ts';
import { RoomStream } from './stream.ts';

/** `type: sse`: Server-Sent Events (WHATWG HTML §9.2) with rooms. docs/rooms.md */
export const SSE: ConnectorType<RoomSettings> = {
  keys: roomKeys({ path: '/events' }),
  sources: { named: VISITS },
  targets: ROOM_TARGETS,
  check: checkRoomSettings,
  create: (settings, context) => new SseConnector(settings, context),
};

class SseConnector extends RoomConnector<RoomSettings> {
  readonly #streams: Heartbeat<RoomStream>;

  constructor(settings: RoomSettings, context: ConnectorContext) {
    super(settings, context);
    this.#streams = new Heartbeat(settings.pingInterval, (stream) => stream.ping());
  }

  protected serve(app: FastifyInstance, urls: readonly string[]): void {
    const onRequest = this.authentication;
    const handler = (request: FastifyRequest, reply: FastifyReply) => this.#open(request, reply);
    for (const url of urls) {
      // Whoever does not say that he wants a stream gets one all the same: there is nothing else here.
      for (const transport of ['sse', 'rest'] as const) {
        this.checkFree(app, url, transport);
        const options = { constraints: { transport }, exposeHeadRoute: false };
        app.get(url, { ...options, ...(onRequest === undefined ? {} : { onRequest }) }, handler);
      }
    }
  }

  describe(): readonly ContractOperation[] {
    return [describeRoomStream(this.name, this.settings)];
  }

  protected closeAll(): void {
    this.#streams.stop();
    for (const stream of this.#streams.members()) stream.stop();
  }

  protected cutAll(): void {
    for (const stream of this.#streams.members()) stream.destroy();
  }

  /** Everything that can be refused is refused before the stream begins, as a plain HTTP error. */
  #open(request: FastifyRequest, reply: FastifyReply): void {
    checkStreamable(request, reply);
    const visitor = this.admit(request);
    const rooms = this.#roomsOf(request, visitor);
    const { admission, auth } = this.context;
    const place = admission.enter(request);
    const isChunked = request.raw.httpVersion === '1.1';
    const output = startResponse(request, reply);
    const stream = new RoomStream(output, isChunked, { visitor, house: this, rooms: this.rooms });
    this.entered();
    stream.slot = this.#streams.add(stream);
    auth?.connections.add(stream);
    output.on('error', () => {});
    output.once('close', () => {
      stream.left();
      auth?.connections.remove(stream);
      this.#streams.remove(stream, stream.slot);
      admission.leave(place);
      this.left();
    });
    stream.begin(rooms);
  }

  /** `?room=a`, or several of them, and `?rooms=a,b`. */
  #roomsOf(request: FastifyRequest, { identity }: ConnectionInfo): string[] {
    const query = new URLSearchParams(queryOf(request));
    const listed = query.getAll('rooms').flatMap((names) => names.split(','));
    const rooms = [...new Set([...query.getAll('room'), ...listed])];
    for (const room of rooms) this.rooms.checkName(room);
    const { roomsPerConnection, join } = this.settings;
    if (rooms.length > roomsPerConnection) {
      throw new AppError('BAD_REQUEST', `A connection may be in ${roomsPerConnection} rooms at most.`);
    }
    if (rooms.length > 0) checkOpenness(join, identity);
    return rooms;
  }
}
