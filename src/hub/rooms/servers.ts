import type { ServerMessages } from '../../store/server-messages.ts';

/** Milliseconds between two signs of life. */
const HEARTBEAT_MS = 5000;
/** Milliseconds after which a silent server takes its members with it. */
const MAX_SILENCE_MS = 15_000;
/** Milliseconds in which requests for the members of this server are answered together. */
const ANSWER_DELAY_MS = 50;

/** Rooms of this server, as those of other servers use them. */
export interface RoomServersHost {
  /** Rooms with the users that are in them by a connection to this server. */
  ownMembers(): Iterable<readonly [room: string, users: readonly string[]]>;
  /** Sends a message that another server has formatted: to a room, to a user, or to all. */
  deliver(to: 'room' | 'user' | 'all', name: string, text: string): void;
  /** Called when a user is in a room at one more server. */
  arrived(room: string, user: string): void;
  /** Called when a user is in a room at one server less. */
  left(room: string, user: string): void;
}

export interface RoomServersOptions {
  readonly messages: ServerMessages;
  /** Topic of the messages: it is the same on all servers. */
  readonly topic: string;
  readonly heartbeat?: number;
  readonly maxSilence?: number;
}

/** Server as this one knows it. */
interface OtherServer {
  /** Number of its last change; undefined until its members are known. */
  version: number | undefined;
  heardAt: number;
  readonly rooms: Map<string, Set<string>>;
}

type RoomsMessage =
  | readonly ['to', kind: 'room' | 'user' | 'all', name: string, text: string]
  | readonly ['in' | 'out', version: number, room: string, user: string]
  | readonly ['alive', version: number]
  /** Request for the members of all servers, or of one. */
  | readonly ['ask', server?: string]
  | readonly ['members', version: number, rooms: readonly (readonly [room: string, users: readonly string[]])[]]
  | readonly ['end'];

/**
 * Rooms of the servers of one application as one: messages are passed on, and each server knows the users in the rooms of
 * the others. Changes are numbered: a server that misses one asks for all members. A server that stops takes its members
 * with it, and so does one that was silent for too long.
 */
export class RoomServers {
  readonly #options: RoomServersOptions;
  readonly #host: RoomServersHost;
  readonly #servers = new Map<string, OtherServer>();
  readonly #stopListening: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #heartbeat: number;
  #answering: NodeJS.Timeout | undefined;
  #version = 0;
  #lookedAt = performance.now();

  constructor(options: RoomServersOptions, host: RoomServersHost) {
    this.#options = options;
    this.#host = host;
    this.#heartbeat = options.heartbeat ?? HEARTBEAT_MS;
    this.#stopListening = options.messages.listen(options.topic, (text, server) =>
      this.#receive(JSON.parse(text) as RoomsMessage, server),
    );
    this.#timer = setInterval(() => this.#beat(), this.#heartbeat).unref();
    this.#send(['alive', this.#version]);
    this.#send(['ask']);
  }

  /** Passes a message on to the connections of all other servers. */
  pass(kind: 'room' | 'user' | 'all', name: string, text: string): void {
    this.#send(['to', kind, name, text]);
  }

  /** Must be called when a user has come into a room of this server, or has left it with the last connection. */
  changed(type: 'in' | 'out', room: string, user: string): void {
    this.#send([type, ++this.#version, room, user]);
  }

  close(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#answering);
    this.#stopListening();
    this.#send(['end']);
  }

  #send(message: RoomsMessage): void {
    this.#options.messages.send(this.#options.topic, JSON.stringify(message));
  }

  #receive(message: RoomsMessage, name: string): void {
    const [type] = message;
    if (type === 'to') this.#host.deliver(message[1], message[2], message[3]);
    else if (type === 'end') this.#remove(name);
    else this.#learn(message, this.#heard(name), name);
  }

  #learn(
    message: Exclude<RoomsMessage, readonly ['to' | 'end', ...unknown[]]>,
    server: OtherServer,
    name: string,
  ): void {
    const [type] = message;
    if (type === 'alive') {
      if (message[1] === 0) this.#replace(server, 0, []);
      else if (server.version !== message[1]) this.#send(['ask', name]);
    } else if (type === 'ask') {
      const [, asked = this.#options.messages.server] = message;
      if (asked === this.#options.messages.server) this.#answerSoon();
    } else if (type === 'members') this.#replace(server, message[1], message[2]);
    else this.#change(server, message);
  }

  #heard(name: string): OtherServer {
    let server = this.#servers.get(name);
    if (server === undefined) {
      server = { version: undefined, heardAt: 0, rooms: new Map() };
      this.#servers.set(name, server);
    }
    server.heardAt = performance.now();
    return server;
  }

  /** A change that does not follow the last one is left to the next sign of life, which asks for all members. */
  #change(server: OtherServer, [type, version, room, user]: readonly ['in' | 'out', number, string, string]): void {
    if (server.version === undefined || version !== server.version + 1) return;
    server.version = version;
    if (type === 'in') this.#add(server, room, user);
    else this.#take(server, room, user);
  }

  #replace(
    server: OtherServer,
    version: number,
    rooms: readonly (readonly [room: string, users: readonly string[]])[],
  ): void {
    server.version = version;
    const now = new Map(rooms.map(([room, users]) => [room, new Set(users)]));
    for (const [room, users] of [...server.rooms]) {
      for (const user of [...users]) if (!now.get(room)?.has(user)) this.#take(server, room, user);
    }
    for (const [room, users] of now) for (const user of users) this.#add(server, room, user);
  }

  #add({ rooms }: OtherServer, room: string, user: string): void {
    const users = rooms.get(room) ?? new Set();
    if (users.has(user)) return;
    rooms.set(room, users.add(user));
    this.#host.arrived(room, user);
  }

  #take({ rooms }: OtherServer, room: string, user: string): void {
    const users = rooms.get(room);
    if (!users?.delete(user)) return;
    if (users.size === 0) rooms.delete(room);
    this.#host.left(room, user);
  }

  #remove(name: string): void {
    const server = this.#servers.get(name);
    if (server === undefined) return;
    this.#servers.delete(name);
    this.#replace(server, 0, []);
  }

  #answerSoon(): void {
    this.#answering ??= setTimeout(() => {
      this.#answering = undefined;
      this.#send(['members', this.#version, [...this.#host.ownMembers()]]);
    }, ANSWER_DELAY_MS).unref();
  }

  #beat(): void {
    this.#send(['alive', this.#version]);
    const now = performance.now();
    const { maxSilence = MAX_SILENCE_MS } = this.#options;
    // This server itself was held up: what the others have sent meanwhile is not read yet.
    const wasHeldUp = now - this.#lookedAt > 2 * this.#heartbeat;
    this.#lookedAt = now;
    for (const [name, server] of this.#servers) {
      if (wasHeldUp) server.heardAt = now;
      else if (now - server.heardAt > maxSilence) this.#remove(name);
    }
  }
}
