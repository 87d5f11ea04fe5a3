import type { AppAuth } from '../../auth/app-auth.ts';
import type { OpenConnection } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { AppError, internalError, makeProblem } from '../../errors.ts';
import type { RealtimeConnection, Subscribed } from '../../hooks/realtime-hooks.ts';
import { parseKey } from '../../resources/key.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { Transactions } from '../../resources/transactions/transactions.ts';
import { afterCommit } from '../../runtime/event-loop.ts';
import { formatExpiry, type Ref } from '../socket/auth-message.ts';
import type { LiveId } from './codec.ts';
import {
  aboutOf,
  invalid,
  type LiveAbout,
  type LiveMessage,
  parseCredit,
  parseLiveMessage,
  parseTarget,
} from './messages.ts';
import { formatTransaction, runTransaction } from './requests/transactions.ts';
import { type LiveWritten, runWrite } from './requests/writes.ts';
import type { LiveOutput } from './subscription.ts';
import { LiveSubscriptions } from './subscriptions.ts';

/** Limits that a client reads in `hello`. */
export interface LiveLimits {
  readonly subscriptions: number;
  readonly message: number;
  readonly waitingMessages: number;
  readonly messagesPerSecond: number;
  readonly messagesBurst: number;
}

/** Shared by the sessions of one application on one kind of connection. */
export interface SessionContext {
  /** Tables by export name. */
  readonly tables: ReadonlyMap<string, TableResource>;
  readonly transactions: Transactions;
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
  /** The connection as hooks of the application see it. */
  readonly realtime: RealtimeConnection | undefined;
}

type Reply = () => void;
const NO_REPLY: Reply = () => {};

/** Runs the messages of one connection of protocol v1, whatever carries them: PROTOCOL.md §7. */
export class LiveSession {
  readonly subscriptions: LiveSubscriptions;
  readonly #options: LiveSessionOptions;
  readonly #hooked = new Map<LiveId, Subscribed>();
  /** Settled when the last message that was received has been answered. */
  #answered: Promise<void> = Promise.resolve();
  /** Settled when a message was handled on which later ones depend; undefined when none is. */
  #barrier: Promise<unknown> | undefined;

  constructor(options: LiveSessionOptions) {
    this.#options = options;
    this.subscriptions = new LiveSubscriptions(options.client.output, (id, error) => {
      this.#unhook(id);
      options.client.answer(errorMessage(error, { id }));
    });
  }

  /** Sends the first message of the server. */
  greet(members: object = {}): void {
    const { client, context, connection } = this.#options;
    const { subscriptions, message, waitingMessages, messagesPerSecond, messagesBurst } = context.limits;
    client.answer({
      type: 'hello',
      protocol: 'tablecast.v1',
      connection,
      schema: context.planTag,
      limits: {
        subscriptions,
        message,
        waiting_messages: waitingMessages,
        messages_per_second: messagesPerSecond,
        messages_burst: messagesBurst,
      },
      ...(client.identity.type === 'principal' ? { expires_at: formatExpiry(client.identity.expiresAt) } : {}),
      ...members,
    });
  }

  /** Announces the end of the token, in milliseconds since 1970. */
  announceExpiry(expiresAt: number): void {
    this.#options.client.answer({ type: 'expiring', expires_at: formatExpiry(expiresAt) });
  }

  /** Handles one message. Answers come in the order of the messages; resolves when this one is answered. */
  receive(read: () => unknown): Promise<void> {
    const isSerial = this.#options.realtime?.hearsMessages === true;
    const before = this.#answered;
    const reply = isSerial ? before.then(() => this.#run(read)) : this.#run(read);
    const answered = reply.then(async (send) => {
      await before;
      if (this.#options.client.isOpen) send();
    });
    this.#answered = answered;
    return answered;
  }

  /** Applies the caller's current rights to all subscriptions; those that are lost end with an error. */
  reauthorize(): void {
    const { client } = this.#options;
    for (const [id, error] of this.subscriptions.reauthorize(client.identity)) {
      this.#unhook(id);
      client.answer(errorMessage(error, { id }));
    }
  }

  closed(): void {
    this.subscriptions.closeAll();
  }

  async #run(read: () => unknown): Promise<Reply> {
    let value: unknown;
    try {
      value = read();
      const message = parseLiveMessage(value);
      if (this.#barrier !== undefined) await this.#barrier;
      // Hooks get no messages with tokens.
      if (message.type !== 'auth') await this.#hearMessage(message);
      return await this.#execute(message);
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
    const expected = error instanceof AppError;
    if (!expected) this.#options.context.onError(error);
    const message = errorMessage(expected ? error : internalError(), about);
    return () => this.#options.client.reject(message);
  }

  #execute(message: LiveMessage): Promise<Reply> | Reply {
    const { client } = this.#options;
    switch (message.type) {
      case 'subscribe':
        return this.#subscribe(message);
      case 'unsubscribe':
        return this.#unsubscribe(message.id as LiveId);
      case 'credit': {
        const credit = parseCredit(message.value);
        return () => this.subscriptions.grant(message.id as LiveId, credit);
      }
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
        const { subscriptions: limit } = context.limits;
        if (this.subscriptions.size >= limit && !this.subscriptions.has(id)) {
          throw invalid(`The connection has ${limit} subscriptions already, which is the limit.`);
        }
        // Checked again with the rights of this moment, before anything is said.
        const query = resource.parseSubscription(client.identity, rawQuery, key);
        this.#unhook(id);
        if (hooked !== undefined) this.#hooked.set(id, hooked);
        this.subscriptions.open({ id, resource, key, rawQuery, credit, query }, () =>
          client.answer({ type: 'subscribed', id }),
        );
      } catch (error) {
        if (hooked !== undefined) realtime?.unsubscribe(hooked);
        this.#refuse(error, { id })();
      }
    };
  }

  #unsubscribe(id: LiveId): Reply {
    return () => {
      this.subscriptions.close(id);
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

/** Formats an error: the problem, and the subscription or the request that it is about. */
export function errorMessage(error: AppError, about: LiveAbout): object {
  return { type: 'error', ...about, problem: makeProblem(error) };
}

function formatAck({ id, seq, changed, replayed, delivered, json = '' }: LiveWritten, ref: Ref): object {
  return {
    type: 'ack',
    ref,
    key: id,
    seq: String(seq),
    changed,
    ...(delivered === undefined ? {} : { delivered }),
    ...(json === '' ? {} : { data: JSON.parse(json) as unknown }),
    ...(replayed ? { replayed } : {}),
  };
}

function refOf(ref: Ref | undefined): { ref?: Ref } {
  return ref === undefined ? {} : { ref };
}
