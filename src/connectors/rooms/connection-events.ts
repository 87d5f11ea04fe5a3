import type { Identity } from '../../auth/identity.ts';
import type { FlowData, Handle } from '../connector.ts';

/** What the flows of a connector have to do with its connections. */
export interface RoomHost {
  handleOf(operation: string): Handle | undefined;
  /** Something that has to end before the connector has stopped. */
  track(work: Promise<void>): void;
  readonly signal: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** Who has connected. */
export interface ConnectionInfo {
  /** With the rights of now. */
  readonly identity: Identity;
  /** Undefined where it is nobody in particular. */
  readonly user: string | undefined;
  /** Without credentials, and without `user_id`. */
  readonly query: FlowData;
}

/** One connection as flows see it: things happen one after the other, and the last one is that it has gone. */
export class ConnectionEvents {
  readonly #house: RoomHost;
  readonly #visitor: ConnectionInfo;
  readonly #id: string;
  readonly #tasks: (() => Promise<void>)[] = [];
  #isAtWork = false;
  #count = 0;

  /** `id` is one that no other connection ever has; `visitor` is asked at each event. */
  constructor(house: RoomHost, visitor: ConnectionInfo, id: string) {
    this.#house = house;
    this.#visitor = visitor;
    this.#id = id;
  }

  /** Runs a task after all that came before: at once where nothing is at work. */
  next(task: () => Promise<void>): void {
    this.#tasks.push(task);
    if (!this.#isAtWork) this.#house.track(this.#work());
  }

  /** What flows from this operation make of it; undefined where there are none. */
  fire(operation: string, data: FlowData = {}): Promise<unknown> | undefined {
    const handle = this.#house.handleOf(operation);
    if (handle === undefined) return undefined;
    const { identity, user, query } = this.#visitor;
    return handle({
      // What a client says cannot take the place of what we know.
      input: { ...query, ...data, event: operation, user_id: user ?? null, connection_id: this.#id },
      notes: { sent: Object.keys(data) },
      identity,
      key: `${this.#id}:${++this.#count}`,
      signal: this.#house.signal,
    });
  }

  /** Tells flows that it has come; `failed` gets how one of them has failed. What they make of it is nobody's business. */
  connected(failed: (error: unknown) => void): void {
    if (this.#house.handleOf('connect') === undefined) return;
    this.next(async () => {
      try {
        await this.fire('connect');
      } catch (error) {
        failed(error);
      }
    });
  }

  /** Tells flows that it has gone. */
  ended(): void {
    if (this.#house.handleOf('disconnect') === undefined) return;
    this.next(async () => {
      try {
        await this.fire('disconnect');
      } catch (error) {
        // There is nobody else any more to be told.
        this.#house.onError(error);
      }
    });
  }

  async #work(): Promise<void> {
    this.#isAtWork = true;
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      try {
        await task();
      } catch (error) {
        this.#house.onError(error);
      }
    }
    this.#isAtWork = false;
  }
}
