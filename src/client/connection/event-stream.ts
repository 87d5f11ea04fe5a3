/** Event of an event stream. */
export interface StreamEvent {
  readonly event: string;
  readonly data: string;
  /** Last `id:` of the stream up to this event. */
  readonly id: string;
}

/** Parses an event stream (HTML standard, §9.2.6) from chunks. */
export class EventStreamParser {
  /** Milliseconds to wait before the next connection, from `retry:`; undefined without it. */
  retry: number | undefined;
  #rest = '';
  #data: string[] = [];
  #event = '';
  #id = '';
  #isFirst = true;

  /** Starts with the state of the previous connection. */
  constructor(lastId = '', retry?: number) {
    this.#id = lastId;
    this.retry = retry;
  }

  get lastId(): string {
    return this.#id;
  }

  /** Adds a chunk and returns the events that it completes. */
  push(piece: string): StreamEvent[] {
    const events: StreamEvent[] = [];
    let text = this.#rest + piece;
    if (this.#isFirst && text !== '') {
      text = text.replace(/^\uFEFF/, '');
      this.#isFirst = false;
    }
    // A carriage return at the end may be the first half of a line's end.
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const event = this.#line(line);
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  #line(line: string): StreamEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') this.#data.push(value);
    else if (name === 'event') this.#event = value;
    else if (name === 'id' && !value.includes('\0')) this.#id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value);
    return undefined;
  }

  #dispatch(): StreamEvent | undefined {
    const found = { event: this.#event || 'message', data: this.#data.join('\n'), id: this.#id };
    const hasData = this.#data.length > 0;
    this.#event = '';
    this.#data = [];
    return hasData ? found : undefined;
  }
}
