import type { Leases, TaskLease } from '../../store/shared-store.ts';
import { Consumer, type ConsumerOptions } from './source.ts';

export interface QueueTaskOptions extends ConsumerOptions {
  /** Name of the connector. */
  readonly connector: string;
  /** Tasks of several servers; undefined where one server has the store. */
  readonly leases: Leases | undefined;
}

/** Reads a queue at one server at a time: two would handle its messages in no order. */
export class QueueTask {
  readonly #options: QueueTaskOptions;
  #lease: TaskLease | undefined;
  #consumer: Consumer | undefined;
  #isStopping = false;

  constructor(options: QueueTaskOptions) {
    this.#options = options;
  }

  start(): void {
    const { connector, queue, leases, onError } = this.#options;
    this.#lease = leases?.take(`queue:${connector}:${queue.name}`, {
      got: () => this.#begin(),
      lost: () => this.#end(),
      onError,
    });
    if (this.#lease === undefined) this.#begin();
  }

  /** Starts no further message; resolves when the current one is done, and another server may go on. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#end();
    await this.#lease?.release();
  }

  abort(): void {
    this.#consumer?.abort();
  }

  #begin(): void {
    if (this.#isStopping) return;
    this.#consumer = new Consumer(this.#options);
    this.#consumer.start();
  }

  async #end(): Promise<void> {
    await this.#consumer?.stop();
    this.#consumer = undefined;
  }
}
