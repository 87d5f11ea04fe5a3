import type { ConnectionRegistry } from '../../auth/connections.ts';
import type { Identity } from '../../auth/identity.ts';
import { stoppingError } from '../../errors.ts';
import type { RecordKey } from '../../store/store.ts';
import type { TableResource } from './resource.ts';
import { TableStream } from './stream.ts';

/** Options of a subscription by code. */
export interface SubscribeOptions<Id = RecordKey> {
  /** Channel of one record, instead of that of the table. */
  readonly id?: Id | undefined;
  /** Seq to resume after. */
  readonly since?: number | undefined;
  /** Sends the stored state first; the default for the channel of a record only. */
  readonly retained?: boolean | undefined;
  /** Ends the subscription. */
  readonly signal?: AbortSignal | undefined;
}

interface OpenStreamOptions extends SubscribeOptions {
  readonly resource: TableResource;
  readonly identity: Identity;
  /** Query as in the URL of a channel. */
  readonly query: string;
}

/** Open subscriptions of code in the server, of all tables of an application. */
export class TableStreams {
  readonly #open = new Set<TableStream>();
  #connections: ConnectionRegistry | undefined;
  #isStopped = false;

  get size(): number {
    return this.#open.size;
  }

  /** Ends subscriptions of principals with their tokens, and makes them follow changes of rights. */
  follow(connections: ConnectionRegistry): void {
    this.#connections = connections;
  }

  /**
   * Opens a subscription: it has everything from now on, whenever it is read. Throws INVALID_QUERY, INVALID_POSITION,
   * FORBIDDEN, UNAUTHORIZED, and STOPPING when the server stops.
   */
  open({ resource, identity, query, id, since, retained, signal }: OpenStreamOptions): TableStream {
    if (this.#isStopped) throw stoppingError();
    const parameters = [
      ...(query === '' ? [] : [query]),
      ...(since === undefined ? [] : [`since=${since}`]),
      ...(retained === undefined ? [] : [`retained=${retained}`]),
    ];
    const rawQuery = parameters.join('&');
    const checked = resource.parseSubscription(identity, rawQuery, id);
    const stream: TableStream = new TableStream({
      ...{ resource, identity, rawQuery, signal },
      released: () => {
        this.#open.delete(stream);
        this.#connections?.remove(stream);
      },
    });
    this.#open.add(stream);
    this.#connections?.add(stream);
    stream.start(checked);
    return stream;
  }

  /** Ends all of them, without an error. */
  stop(): void {
    this.#isStopped = true;
    for (const stream of this.#open) stream.end();
  }
}
