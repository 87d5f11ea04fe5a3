import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import type { ContractOperation } from '../../openapi/contract-operation.ts';
import { queryOf } from '../../server/request.ts';
import { checkStreamable, hasGone, startResponse } from '../../transports/stream/response.ts';
import type { ConnectorType } from '../connector.ts';
import type { ConnectionInfo } from './connection-events.ts';
import { checkOpenness } from './connection-info.ts';
import { describeRoomStream } from './contract.ts';
import { RoomConnector } from './room-connector.ts';
import { CONNECTION_EVENTS, checkRoomSettings, ROOM_TARGETS, type RoomSettings, roomKeys } from './settings.ts';
import { RoomStream } from './stream.ts';

/** `type: sse`: Server-Sent Events (WHATWG HTML §9.2) with rooms. docs/reference/connectors/rooms.md */
export const SSE: ConnectorType<RoomSettings> = {
  keys: roomKeys({ path: '/events' }),
  sources: { named: CONNECTION_EVENTS },
  targets: ROOM_TARGETS,
  check: checkRoomSettings,
  create: (settings, context) => new SseConnector(settings, context),
};

class SseConnector extends RoomConnector<RoomSettings, RoomStream> {
  protected serve(app: FastifyInstance, urls: readonly string[]): void {
    const onRequest = this.authentication;
    const handler = (request: FastifyRequest, reply: FastifyReply) => this.#open(request, reply);
    for (const url of urls) {
      // A request that does not ask for a stream gets one too: there is nothing else at this address.
      for (const transport of ['sse', 'rest'] as const) {
        this.checkFree(app, url, transport);
        const options = { constraints: { transport }, exposeHeadRoute: false };
        app.get(url, { ...options, ...(onRequest === undefined ? {} : { onRequest }) }, handler);
      }
    }
  }

  describe(): readonly ContractOperation[] {
    return [describeRoomStream(this.name, this.settings, this.rules)];
  }

  /** Refuses whatever can be refused before the stream begins, as a plain HTTP error. */
  async #open(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    checkStreamable(request, reply);
    const info = this.admit(request);
    const names = this.#roomsOf(request, info);
    const access = this.context.application.roomAccess;
    if (access !== undefined) {
      for (const room of names) await access.check('join', room, info.identity);
    }
    if (hasGone(request, reply)) return void reply.hijack();
    const isChunked = request.raw.httpVersion === '1.1';
    const output = startResponse(request, reply);
    const stream = new RoomStream(output, isChunked, {
      info,
      host: this,
      rooms: this.rooms,
      access,
      asked: this.asked,
    });
    this.connections.open(stream, { request, registry: this.context.auth?.connections, appId: this.context.appId });
    void stream.begin(names);
  }

  /** Reads `?room=a`, once or several times, and `?rooms=a,b`. */
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
