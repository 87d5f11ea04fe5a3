import type { Identity } from '../../auth/identity.ts';
import type { FlowData, Handle } from '../connector.ts';

/** The connector, as its connections see it. */
export interface RoomHost {
  /** Undefined where no flow has this operation as its source. */
  handleOf(operation: string): Handle | undefined;
  /** Tracks a task that `stop()` waits for. */
  track(work: Promise<void>): void;
  readonly signal: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** The client of a connection. */
export interface ConnectionInfo {
  /** With its current rights. */
  readonly identity: Identity;
  /** Undefined for an anonymous client. */
  readonly user: string | undefined;
  /** Query parameters without credentials, and without `user_id`. */
  readonly query: FlowData;
}

/** Asks before a connection joins a room; refuses by throwing. */
export type RoomHooks = (room: string, info: Pick<ConnectionInfo, 'identity' | 'user'>) => Promise<void>;

/** The events of one connection, as flows get them: one after the other, and `disconnect` last. */
export class ConnectionEvents {
  readonly #host: RoomHost;
  readonly #info: ConnectionInfo;
  readonly #id: string;
  readonly #tasks: (() => Promise<void>)[] = [];
  #isRunning = false;
  #count = 0;

  /** `id` is unique among all connections ever; `info` is read at each event. */
  constructor(host: RoomHost, info: ConnectionInfo, id: string) {
    this.#host = host;
    this.#info = info;
    this.#id = id;
  }

  /** Runs a task after all tasks before it: at once where none is running. */
  next(task: () => Promise<void>): void {
    this.#tasks.push(task);
    if (!this.#isRunning) this.#host.track(this.#runTasks());
  }

  /** Runs the flows of this operation, and returns their result; undefined where there are none. */
  fire(operation: string, data: FlowData = {}): Promise<unknown> | undefined {
    const handle = this.#host.handleOf(operation);
    if (handle === undefined) return undefined;
    const { identity, user, query } = this.#info;
    return handle({
      // Data of the client must not replace what the server knows.
      input: { ...query, ...data, event: operation, user_id: user ?? null, connection_id: this.#id },
      notes: { sent: Object.keys(data) },
      identity,
      key: `${this.#id}:${++this.#count}`,
      signal: this.#host.signal,
    });
  }

  /** Fires `connect`; `failed` gets the error of a flow. Its result is dropped. */
  connected(failed: (error: unknown) => void): void {
    if (this.#host.handleOf('connect') === undefined) return;
    this.next(async () => {
      try {
        await this.fire('connect');
      } catch (error) {
        failed(error);
      }
    });
  }

  /** Fires `disconnect`. */
  ended(): void {
    if (this.#host.handleOf('disconnect') === undefined) return;
    this.next(async () => {
      try {
        await this.fire('disconnect');
      } catch (error) {
        // The client has gone: only the log can have it.
        this.#host.onError(error);
      }
    });
  }

  async #runTasks(): Promise<void> {
    this.#isRunning = true;
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      try {
        await task();
      } catch (error) {
        this.#host.onError(error);
      }
    }
    this.#isRunning = false;
  }
}
