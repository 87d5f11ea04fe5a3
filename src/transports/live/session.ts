import type { AppAuth } from '../../auth/app-auth.ts';
import type { OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError, internalError } from '../../errors.ts';
import type { RealtimeConnection, Subscribed } from '../../hooks/realtime-hooks.ts';
import { parseKey } from '../../resources/key.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { Transactions } from '../../resources/transactions/transactions.ts';
import { afterCommit } from '../../runtime/event-loop.ts';
import type { ConnectionDescription } from '../../server/limits/connection-list.ts';
import { formatExpiry } from '../socket/auth-message.ts';
import { errorMessage, formatAck, formatHello, type LiveLimits, refOf } from './answers.ts';
import type { LiveId } from './codec.ts';
import {
  aboutOf,
  invalid,
  isAboutRoom,
  type LiveAbout,
  type LiveMessage,
  parseConnector,
  parseCredit,
  parseLiveMessage,
  parseRoomTarget,
  parseTarget,
} from './messages.ts';
import { formatTransaction, runTransaction } from './requests/transactions.ts';
import { runWrite } from './requests/writes.ts';
import { LiveRooms } from './rooms/rooms.ts';
import type { RoomService } from './rooms/service.ts';
import type { LiveOutput } from './subscriptions/subscription.ts';
import { LiveSubscriptions } from './subscriptions/subscriptions.ts';

/** Shared by the sessions of one application on one kind of connection. */
export interface SessionContext {
  /** Tables by export name. */
  readonly tables: ReadonlyMap<string, TableResource>;
  readonly transactions: Transactions;
  /** Rooms by the name of their connector. */
  readonly rooms: ReadonlyMap<string, RoomService>;
  readonly limits: LiveLimits;
  /** Characters of an id of a record. */
  readonly maxIdLength: number;
  readonly planTag: string;
  /** Undefined where authentication is off. */
  readonly auth: AppAuth | undefined;
  readonly onError: (error: unknown) => void;
}

/** Connection of a session. */
export interface LiveClient extends OpenConnection {
  readonly output: LiveOutput;
  readonly isOpen: boolean;
  /** Sends a message to the client, after what was delivered. */
  answer(message: object): void;
  /** Sends an error; too many of them close the connection. */
  reject(message: object): void;
  close(code: number, reason: string): void;
}

export interface LiveSessionOptions {
  readonly client: LiveClient;
  readonly context: SessionContext;
  /** Unguessable id of the connection. */
  readonly connection: string;
  /** Id that the client gave itself; undefined when it gave none. */
  readonly clientId: string | undefined;
  /** User that the client gave itself; undefined where authentication is on. */
  readonly userId: string | undefined;
  /** The connection as hooks of the application see it. */
  readonly realtime: RealtimeConnection | undefined;
}

/** Answers a message. With a promise, the message is handled for longer, and later ones are answered meanwhile. */
type Reply = () => void | Promise<void>;
const NO_REPLY: Reply = () => {};

/** Runs the messages of one connection of protocol v1, whatever carries them: PROTOCOL.md §7. */
export class LiveSession {
  readonly subscriptions: LiveSubscriptions;
  readonly rooms: LiveRooms;
  readonly #options: LiveSessionOptions;
  readonly #hooked = new Map<LiveId, Subscribed>();
  /** Settled when the last message that was received has been answered. */
  #answered: Promise<void> = Promise.resolve();
  /** Settled when a message was handled on which later ones depend; undefined when none is. */
  #barrier: Promise<unknown> | undefined;

  constructor(options: LiveSessionOptions) {
    this.#options = options;
    const { client, context, userId } = options;
    this.subscriptions = new LiveSubscriptions(client.output, (id, error) => {
      this.#unhook(id);
      client.answer(errorMessage(error, { id }));
    });
    this.rooms = new LiveRooms({
      services: context.rooms,
      output: client.output,
      identity: () => client.identity,
      user: userId,
      failed: (error) => client.answer(errorMessage(error, {})),
      lost: (id, error) => client.answer(errorMessage(error, { id })),
    });
  }

  /** Sends the first message of the server. */
  greet(members: object = {}): void {
    const { client, connection, context } = this.#options;
    client.answer({ ...formatHello(connection, context, client.identity), ...members });
  }

  /** Announces the end of the token, in milliseconds since 1970. */
  announceExpiry(expiresAt: number): void {
    this.#options.client.answer({ type: 'expiring', expires_at: formatExpiry(expiresAt) });
  }

  /** Handles one message. Answers come in the order of the messages; resolves when this one is answered. */
  receive(read: () => unknown): Promise<void> {
    const isSerial = this.#options.realtime?.hearsMessages === true;
    const before = this.#answered;
    const reply = isSerial ? before.then(() => this.#run(read, before)) : this.#run(read, before);
    let handled: void | Promise<void>;
    this.#answered = reply.then(async (send) => {
      await before;
      if (this.#options.client.isOpen) handled = send();
    });
    return this.#answered.then(() => handled);
  }

  /** Applies the caller's current rights to all subscriptions; those that are lost end with an error. */
  reauthorize(): void {
    const { client } = this.#options;
    for (const [id, error] of this.subscriptions.reauthorize(client.identity)) {
      this.#unhook(id);
      client.answer(errorMessage(error, { id }));
    }
    this.rooms.reauthorize();
  }

  drained(): void {
    this.subscriptions.drained();
    this.rooms.drained();
  }

  /** Describes it for administrators. */
  describe(): ConnectionDescription {
    const rooms = this.rooms.size === 0 ? {} : { rooms: this.rooms.names() };
    return { transport: 'live', listens: this.subscriptions.listed(), ...rooms };
  }

  closed(): void {
    this.subscriptions.closeAll();
    this.rooms.closeAll();
  }

  async #run(read: () => unknown, before: Promise<void>): Promise<Reply> {
    let value: unknown;
    try {
      value = read();
      const message = parseLiveMessage(value);
      if (this.#barrier !== undefined) await this.#barrier;
      // Hooks get no messages with tokens.
      if (message.type !== 'auth') await this.#hearMessage(message);
      return await this.#execute(message, before);
    } catch (error) {
      return this.#refuse(error, aboutOf(value));
    }
  }

  async #hearMessage({ value }: LiveMessage): Promise<void> {
    const { realtime } = this.#options;
    if (realtime?.hearsMessages)
      await realtime.message(value, typeof value.table === 'string' ? value.table : undefined);
  }

  #refuse(error: unknown, about: LiveAbout): Reply {
    const message = this.#failure(error, about);
    return () => this.#options.client.reject(message);
  }

  #failure(error: unknown, about: LiveAbout): object {
    const expected = error instanceof AppError;
    if (!expected) this.#options.context.onError(error);
    return errorMessage(expected ? error : internalError(), about);
  }

  /** `before` is settled when all earlier messages are answered. */
  #execute(message: LiveMessage, before: Promise<void>): Promise<Reply> | Reply {
    const { client } = this.#options;
    switch (message.type) {
      case 'subscribe':
        return isAboutRoom(message) ? before.then(() => this.#join(message)) : this.#subscribe(message);
      case 'unsubscribe':
        return this.#unsubscribe(message.id as LiveId);
      case 'credit': {
        const credit = parseCredit(message.value);
        return () => {
          this.subscriptions.grant(message.id as LiveId, credit);
          this.rooms.grant(message.id as LiveId, credit);
        };
      }
      case 'send':
        return this.#sendToFlows(message);
      case 'write':
        return this.#write(message);
      case 'transaction':
        return this.#transact(message);
      case 'auth':
        return this.#authenticate(message);
      case 'ping': {
        const pong: Reply = () => client.answer({ type: 'pong', ...refOf(message.ref) });
        // After the deliveries that wait for the end of this turn: the changes of a write that was answered come first.
        return new Promise((resolve) => afterCommit(() => resolve(pong)));
      }
    }
  }

  async #subscribe(message: LiveMessage): Promise<Reply> {
    const { client, context, realtime } = this.#options;
    const id = message.id as LiveId;
    const target = parseTarget(message);
    const credit = message.value.credit === undefined ? {} : parseCredit(message.value.credit);
    const resource = this.#tableNamed(target.table);
    const key =
      target.segment === undefined ? undefined : parseKey(resource.table, target.segment, context.maxIdLength);
    const { rawQuery } = target;
    resource.parseSubscription(client.identity, rawQuery, key);
    const hooked = await realtime?.subscribe(target.table, key ?? null);
    return () => {
      try {
        this.#checkRoomFor(id);
        // Checked again with the rights of this moment, before anything is said.
        const query = resource.parseSubscription(client.identity, rawQuery, key);
        this.#unhook(id);
        if (hooked !== undefined) this.#hooked.set(id, hooked);
        this.rooms.close(id);
        this.subscriptions.open({ id, resource, key, rawQuery, credit, query }, () =>
          client.answer({ type: 'subscribed', id }),
        );
      } catch (error) {
        if (hooked !== undefined) realtime?.unsubscribe(hooked);
        this.#refuse(error, { id })();
      }
    };
  }

  async #join(message: LiveMessage): Promise<Reply> {
    const { client } = this.#options;
    const id = message.id as LiveId;
    const target = parseRoomTarget(message);
    const credit = message.value.credit === undefined ? {} : parseCredit(message.value.credit);
    this.#checkRoomFor(id);
    const joined = await this.rooms.join(id, target, credit);
    return () => {
      try {
        this.#checkRoomFor(id);
        this.rooms.begin(joined, () => {
          this.subscriptions.close(id);
          this.#unhook(id);
          client.answer({ type: 'subscribed', id });
        });
      } catch (error) {
        joined.close();
        this.#refuse(error, { id })();
      }
    };
  }

  /** Throws INVALID_MESSAGE when the connection has too many subscriptions for one more. */
  #checkRoomFor(id: LiveId): void {
    const { subscriptions: limit } = this.#options.context.limits;
    const isKnown = this.subscriptions.has(id) || this.rooms.has(id);
    if (isKnown || this.subscriptions.size + this.rooms.size < limit) return;
    throw invalid(`The connection has ${limit} subscriptions already, which is the limit.`);
  }

  #sendToFlows({ value: { connector, data }, ref }: LiveMessage): Reply {
    const { client } = this.#options;
    const name = parseConnector(connector);
    return async () => {
      try {
        const sent = await this.rooms.send(name, data);
        if (ref !== undefined && client.isOpen) client.answer({ type: 'ack', ref, ...sent });
      } catch (error) {
        // The failure of a flow does not count as a bad message of the client.
        if (client.isOpen) client.answer(this.#failure(error, refOf(ref)));
      }
    };
  }

  #unsubscribe(id: LiveId): Reply {
    return () => {
      this.subscriptions.close(id);
      this.rooms.close(id);
      this.#unhook(id);
      this.#options.client.answer({ type: 'unsubscribed', id });
    };
  }

  async #write(message: LiveMessage): Promise<Reply> {
    const { client, clientId } = this.#options;
    const { table } = message.value;
    if (typeof table !== 'string') throw invalid('table must be the name of a table.');
    const resource = this.#tableNamed(table);
    const written = await runWrite(message, resource, { identity: client.identity, client: clientId });
    // A write that changed nothing has the seq of an earlier change; a repeated one may be of another connection.
    const { changed, replayed, transaction } = written;
    if (changed && !replayed && transaction === undefined) this.subscriptions.mute(resource, written.seq);
    const { ref } = message;
    return ref === undefined ? NO_REPLY : () => client.answer(formatAck(written, ref));
  }

  async #transact(message: LiveMessage): Promise<Reply> {
    const { client, clientId, context } = this.#options;
    const result = await runTransaction(message, context, { identity: client.identity, client: clientId });
    return message.ref === undefined ? NO_REPLY : () => client.answer(formatTransaction(result, message));
  }

  #tableNamed(name: string): TableResource {
    const resource = this.#options.context.tables.get(name);
    if (resource !== undefined) return resource;
    throw new AppError('NOT_FOUND', `There is no table ${JSON.stringify(name.slice(0, 100))} for this connection.`);
  }

  #authenticate(message: LiveMessage): Promise<Reply> {
    const renewed = this.#renew(message);
    const barrier = renewed.then(NO_REPLY, NO_REPLY);
    this.#barrier = barrier;
    void barrier.then(() => {
      if (this.#barrier === barrier) this.#barrier = undefined;
    });
    return renewed;
  }

  async #renew({ value: { token }, ref }: LiveMessage): Promise<Reply> {
    const { client, context } = this.#options;
    const { auth } = context;
    if (auth === undefined) throw new AppError('FORBIDDEN', 'Authentication is off here.');
    if (typeof token !== 'string') throw invalid('token must be a string.');
    const principal = await auth.authenticator.authenticate({ type: 'bearer', text: token });
    const before: Identity = client.identity;
    if (before.type === 'principal' && before.sub !== principal.sub) {
      return () => client.close(4401, 'the token is that of another subject');
    }
    if (!client.isOpen) return NO_REPLY;
    if (before.type === 'principal') {
      auth.connections.renew(client, principal);
    } else {
      client.identity = principal;
      auth.connections.add(client);
      this.reauthorize();
    }
    const answer = { type: 'auth', expires_at: formatExpiry(principal.expiresAt), ...refOf(ref) };
    return () => client.answer(answer);
  }

  #unhook(id: LiveId): void {
    const hooked = this.#hooked.get(id);
    if (hooked === undefined) return;
    this.#hooked.delete(id);
    this.#options.realtime?.unsubscribe(hooked);
  }
}
