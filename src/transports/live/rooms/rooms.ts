import type { Identity } from '../../../auth/identity.ts';
import { AppError } from '../../../errors.ts';
import type { LiveId } from '../codec.ts';
import type { Credit } from '../subscriptions/credit.ts';
import type { LiveOutput } from '../subscriptions/subscription.ts';
import type { RoomCaller, RoomClient, RoomReply, RoomService } from './service.ts';
import { RoomSubscription } from './subscription.ts';

/** Connection, as its rooms see it. */
export interface LiveRoomsOptions extends Omit<RoomCaller, 'identity' | 'user'> {
  /** Rooms by the name of their connector. */
  readonly services: Services;
  readonly output: LiveOutput;
  readonly identity: () => Identity;
  /** User that the client gave itself, where authentication is off. */
  readonly user: string | undefined;
  /** Called when a membership has ended because of the rights of the caller, or its slowness. */
  readonly lost: (id: LiveId, error: AppError) => void;
}

/** Room of a `subscribe`. */
export interface RoomTarget {
  /** Name or path of the connector; undefined where the client names none. */
  readonly connector: string | undefined;
  /** Undefined for what is sent to all clients of the connector, and to its user. */
  readonly room: string | undefined;
}

/** Rooms of one connection of protocol v1: it is a client of each connector that it names. */
export class LiveRooms {
  readonly #options: LiveRoomsOptions;
  readonly #clients = new Map<string, RoomClient>();
  readonly #open = new Map<LiveId, RoomSubscription>();
  #isClosed = false;

  constructor(options: LiveRoomsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  has(id: LiveId): boolean {
    return this.#open.has(id);
  }

  /** Names of the rooms that it is in. */
  *names(): Iterable<string> {
    for (const { room } of this.#open.values()) if (room !== undefined) yield room;
  }

  /** Joins a room; the client hears of nothing until `begin`. Throws NOT_FOUND, and as `RoomClient.join`. */
  async join(id: LiveId, { connector, room }: RoomTarget, credit: Credit): Promise<RoomSubscription> {
    const { output } = this.#options;
    const client = this.#clientOf(connector);
    const subscription = new RoomSubscription({
      ...{ id, room, credit, output },
      ended: (ended, error) => this.#end(ended, error),
    });
    const options = {
      sink: subscription,
      encoding: output.codec,
      notify: (presence: object) => subscription.notify(presence),
      lost: (error: AppError) => subscription.lose(error),
    };
    subscription.member = room === undefined ? client.listen(options) : await client.join(room, options);
    return subscription;
  }

  /** Opens a joined subscription, which replaces one with the same id. Throws what has ended it meanwhile. */
  begin(subscription: RoomSubscription, confirm: () => void): void {
    const { id } = subscription;
    const before = this.#open.get(id);
    subscription.begin(confirm);
    this.#open.set(id, subscription);
    before?.close();
  }

  close(id: LiveId): void {
    this.#open.get(id)?.close();
    this.#open.delete(id);
  }

  /** Runs the flows of a connector with a message. Throws NOT_FOUND, and as `RoomClient.send`. */
  async send(connector: string | undefined, data: unknown): Promise<RoomReply> {
    return this.#clientOf(connector).send(data);
  }

  grant(id: LiveId, credit: Credit): void {
    this.#open.get(id)?.grant(credit);
  }

  drained(): void {
    for (const subscription of this.#open.values()) subscription.drained();
  }

  reauthorize(): void {
    for (const client of this.#clients.values()) client.reauthorize();
  }

  /** Leaves all rooms. */
  closeAll(): void {
    this.#isClosed = true;
    for (const client of this.#clients.values()) client.close();
    this.#clients.clear();
    this.#open.clear();
  }

  #end(subscription: RoomSubscription, error: AppError): void {
    const { id } = subscription;
    if (this.#open.get(id) !== subscription) return;
    this.close(id);
    this.#options.lost(id, error);
  }

  #clientOf(connector: string | undefined): RoomClient {
    const { services, identity, user, failed } = this.#options;
    const [name, service] = connector === undefined ? onlyService(services) : findService(services, connector);
    if (this.#isClosed) throw new AppError('BAD_REQUEST', 'The connection was closed.');
    let client = this.#clients.get(name);
    if (client === undefined) {
      const caller: RoomCaller = {
        get identity() {
          return identity();
        },
        get user() {
          const current = identity();
          return current.type === 'principal' ? current.sub : user;
        },
        failed,
      };
      client = service.connect(caller);
      this.#clients.set(name, client);
    }
    return client;
  }
}

type Services = ReadonlyMap<string, RoomService>;

/** Returns the connector with this name, or else with this path. Throws NOT_FOUND. */
function findService(services: Services, connector: string): readonly [string, RoomService] {
  const named = services.get(connector);
  if (named !== undefined) return [connector, named];
  const found = [...services].find(([, { path }]) => path === connector || path === `/${connector}`);
  if (found !== undefined) return found;
  throw new AppError('NOT_FOUND', `There are no rooms ${JSON.stringify(connector.slice(0, 100))} for this connection.`);
}

/** Returns the only connector with rooms. Throws INVALID_MESSAGE where there are several, NOT_FOUND where there is none. */
function onlyService(services: Services): readonly [string, RoomService] {
  const [only, another] = services;
  if (only === undefined) throw new AppError('NOT_FOUND', 'The application has no rooms for this connection.');
  if (another === undefined) return only;
  throw new AppError('INVALID_MESSAGE', `connector must be ${[...services.keys()].join(' or ')}.`);
}
