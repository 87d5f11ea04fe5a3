import { randomUUID } from 'node:crypto';
import { ConformancePeer, type Message, type PeerOptions } from '../connection.ts';

/** Server and table that are checked. */
export interface ConformanceSubject extends Pick<PeerOptions, 'url' | 'token' | 'timeout'> {
  readonly table: string;
  /** Text field that the checks change. */
  readonly field: string;
  /** Values that every record needs. */
  readonly data: Message;
}

/** Rule of the specification. */
export interface ConformanceRule {
  /** Section of PROTOCOL.md. */
  readonly section: string;
  readonly title: string;
  /** Throws an error with the reason when the server breaks the rule. */
  run(subject: ConformanceSubject): Promise<void>;
}

/** Fails a check unless the condition holds. */
export function expect(condition: boolean, otherwise: string, found?: unknown): asserts condition {
  if (!condition) throw new Error(found === undefined ? otherwise : `${otherwise}: ${JSON.stringify(found)}`);
}

export function codeOf({ problem }: Message): unknown {
  return (problem as Message | undefined)?.code;
}

/** Connection with what most checks need: records of its own, which are removed at the end. */
export class Scene {
  readonly peer: ConformancePeer;
  readonly subject: ConformanceSubject;
  readonly mark = randomUUID();
  readonly #keys = new Set<string>();
  #refs = 0;

  constructor(peer: ConformancePeer, subject: ConformanceSubject) {
    this.peer = peer;
    this.subject = subject;
  }

  /** Query of the records of this check. */
  get query(): string {
    const { table, field } = this.subject;
    return `${table}?${field}==${this.mark}`;
  }

  key(name: string): string {
    return `${this.mark}-${name}`;
  }

  /** Writes the record with this name; its text is that of the check unless another is given. */
  async put(name: string, { text = this.mark, ...more }: Message & { text?: string } = {}): Promise<Message> {
    const { table, field, data } = this.subject;
    const key = this.key(name);
    this.#keys.add(key);
    const message = { type: 'write', op: 'put', table, key, data: { ...data, [field]: text }, ...more };
    return this.peer.ask(`put-${this.#refs++}`, message);
  }

  /** Step of a transaction that writes the record with this name. */
  stepOf(name: string): Message {
    const { table, field, data } = this.subject;
    const id = this.key(name);
    this.#keys.add(id);
    return { op: 'put', table, id, data: { ...data, [field]: this.mark } };
  }

  async remove(name: string): Promise<Message> {
    const { table } = this.subject;
    this.#keys.delete(this.key(name));
    return this.peer.ask(`delete-${this.#refs++}`, { type: 'write', op: 'delete', table, key: this.key(name) });
  }

  async end(): Promise<void> {
    for (const key of this.#keys) {
      this.peer.send({ type: 'write', op: 'delete', table: this.subject.table, key });
    }
    await this.peer.ask('end', { type: 'ping' }).catch(() => undefined);
    this.peer.close();
  }
}

/** Makes a rule whose check has a connection of its own. */
export function rule(section: string, title: string, run: (scene: Scene) => Promise<void>): ConformanceRule {
  return {
    section,
    title,
    async run(subject) {
      const peer = await ConformancePeer.open(subject);
      const scene = new Scene(peer, subject);
      try {
        await run(scene);
      } finally {
        await scene.end();
      }
    },
  };
}

export function acknowledged(answer: Message): Message {
  expect(answer.type === 'ack', 'the write was not acknowledged', answer);
  return answer;
}
