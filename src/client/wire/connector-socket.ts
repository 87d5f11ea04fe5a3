import {
  type Environment,
  listenForEnd,
  parseMessage,
  type SocketFactory,
  type SocketLike,
  socketUrl,
} from '../connection/environment.ts';

/** Message of a connector with rooms (PROTOCOL.md §4.7), or of protocol v1. */
interface RoomMessage {
  readonly type: string;
  readonly id?: number;
  readonly room?: string;
  readonly ref?: string | number;
  readonly code?: string;
  readonly message?: string;
}

/** Types of messages for all members of a room. */
const EVENT = /^(?:message|presence|member_)/;

/** Resolves with what opens WebSockets to a connector. */
export async function connectorSockets({ socketClass }: Environment): Promise<SocketFactory> {
  const Socket = await socketClass();
  return (url, protocols) =>
    new ConnectorSocket(
      new Socket(
        socketUrl(url),
        protocols.filter((name) => name.startsWith('bearer.')),
      ),
    );
}

/**
 * The protocol of a connector with rooms (PROTOCOL.md §4.7), for connectors with a port of their own and for addresses with
 * parameters. Otherwise it behaves as a WebSocket of protocol v1.
 */
class ConnectorSocket implements SocketLike {
  binaryType = '';
  onopen: SocketLike['onopen'] = null;
  onmessage: SocketLike['onmessage'] = null;
  onclose: SocketLike['onclose'] = null;
  onerror: SocketLike['onerror'] = null;
  readonly #socket: SocketLike;
  /** Ids of the subscriptions by room; under undefined, of the one to all that is sent to the connection. */
  readonly #ids = new Map<string | undefined, number | undefined>();

  constructor(socket: SocketLike) {
    this.#socket = socket;
    socket.onopen = () => {
      this.onopen?.();
      this.#emit({ type: 'hello' });
    };
    socket.onmessage = ({ data }) => this.#receive(Object(parseMessage(data)) as RoomMessage);
    listenForEnd(socket, { end: (code, reason) => this.onclose?.({ code, reason }) });
  }

  get readyState(): number {
    return this.#socket.readyState;
  }

  send(text: string | Uint8Array): void {
    const { type, id, room, ...others } = JSON.parse(String(text)) as RoomMessage;
    const isLeft = type === 'unsubscribe';
    const target = isLeft ? [...this.#ids].find(([, known]) => known === id)?.[0] : room;
    if (isLeft || type === 'subscribe') {
      if (!isLeft) this.#ids.set(room, id);
      // Messages to all clients come without asking for them.
      if (target === undefined) this.#emit({ type: `${type}d`, id });
      else this.#write({ type: isLeft ? 'leave_room' : 'join_room', room: target, ref: id });
    } else if (type === 'ping') {
      // The server sends pings and answers none.
      this.#emit({ type: 'pong' });
    } else {
      this.#write({ ...others, type: type === 'send' ? 'message' : type });
    }
  }

  close(code?: number): void {
    this.#socket.close(code);
  }

  terminate(): void {
    (this.#socket.terminate ?? this.#socket.close).call(this.#socket);
  }

  #write(frame: object): void {
    this.#socket.send(JSON.stringify(frame));
  }

  #emit(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  #receive(frame: RoomMessage): void {
    const { type, room, ref, code = 'FORBIDDEN', message: detail } = frame;
    const id = this.#ids.get(room);
    const isAnswer = ref !== undefined;
    // Messages to the room that were sent before the answer are still for it.
    if (type === 'left' && id === ref) this.#ids.delete(room);
    const types: Readonly<Record<string, string>> = {
      joined: 'subscribed',
      // Without a request, the rules of the room no longer allow it.
      left: isAnswer ? 'unsubscribed' : 'error',
      message: isAnswer ? 'ack' : type,
      token_expiring: 'expiring',
    };
    this.#emit({
      ...{ ...frame, type: types[type] ?? type, problem: { code, detail } },
      id: type === 'left' ? (ref ?? id) : ref,
      s: isAnswer || !EVENT.test(type) ? undefined : [id],
    });
  }
}
