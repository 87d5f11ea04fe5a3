/** Changes of records and messages, as opposed to frames about the channel itself. */
const CHANGES = new Set(['Update', 'Delete', 'Publish']);
const EVENTS = { update: 'Update', delete: 'Delete', publish: 'Publish', retained: 'Retained' };
const CONTROLS = ['ready', 'reset', 'ping', 'error', 'message'];

const FIRST_DELAY = 500;
const LONGEST_DELAY = 8000;
const ANSWER_TIMEOUT = 10_000;
/** The server pings a stream every 15 s: one that is silent for longer is dead, whatever the browser believes. */
const STREAM_SILENCE = 40_000;

/** What the server refused: a sentence, and one per field where it names fields. */
export class Refusal extends Error {
  constructor(message, errors = []) {
    super(message);
    this.errors = errors;
  }
}

/**
 * The live channel of one table, over WebSocket or Server-Sent Events. It keeps the position of the last change, so that
 * whatever ends a connection (the network, the server, a switch of the transport) the next one continues behind it.
 *
 * `onFrame` gets every frame in one form: `{direction, type, op, id, data, seq, live}`. `type` is the `message_type`,
 * or the `type` of a control frame; `live` is false for what is told again after a reconnect. A frame
 * `{type: 'snapshot'}`, which is not on the wire, says that the whole state follows, up to `ready`.
 */
export class Channel {
  #url;
  #onFrame;
  #onStatus;
  #kind = 'ws';
  #link;
  #position;
  #isReady = false;
  /** Between `snapshot` and `ready` there is no position to come back to. */
  #isPartial = false;
  #failures = 0;
  #timer;

  constructor(url, { onFrame, onStatus }) {
    this.#url = url;
    this.#onFrame = onFrame;
    this.#onStatus = onStatus;
    addEventListener('online', () => this.#retryNow());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.#retryNow();
    });
  }

  /** seq of the last change that was seen, or undefined before the first `ready`. */
  get position() {
    return this.#position;
  }

  /** Uses this transport from now on; the state and the position stay. */
  open(kind) {
    this.#kind = kind;
    this.#failures = 0;
    this.#connect();
  }

  /** Creates or replaces a record; resolves when it is committed. */
  put(id, data) {
    return this.#link.put(id, data);
  }

  delete(id) {
    return this.#link.delete(id);
  }

  /** Sends a message that is not stored. Nothing is lost when it is: no answer is awaited. */
  publish(id, data) {
    if (this.#isReady) this.#link.publish(id, data);
  }

  #connect() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#link?.close();
    this.#isReady = false;
    this.#status('connecting');
    const url = new URL(this.#url);
    if (this.#position === undefined) {
      url.searchParams.set('retained', 'true');
      this.#beginSnapshot();
    } else {
      this.#isPartial = false;
      url.searchParams.set('since', String(this.#position));
    }
    const events = {
      onFrame: (frame) => this.#take(frame),
      onSent: (frame) => this.#onFrame({ ...frame, direction: 'out' }),
      onLost: (comesBack) => this.#lost(comesBack),
    };
    this.#link = this.#kind === 'sse' ? new StreamLink(url, events) : new SocketLink(url, events);
  }

  #take(frame) {
    const { type, seq } = frame;
    if (type === 'ready') {
      this.#isReady = true;
      this.#isPartial = false;
      this.#failures = 0;
      this.#status('live');
    }
    // Not the seq of an ack: changes of others before it may still be on their way.
    if (type === 'ready' || (CHANGES.has(type) && !this.#isPartial)) this.#position = seq;
    this.#onFrame({ ...frame, direction: 'in', live: this.#isReady });
    if (type === 'reset') this.#beginSnapshot();
  }

  #beginSnapshot() {
    this.#isPartial = true;
    this.#onFrame({ type: 'snapshot' });
  }

  /** `comesBack`: the browser connects again by itself. Half a snapshot cannot be continued, so that is not left to it. */
  #lost(comesBack) {
    this.#isReady = false;
    this.#status('waiting');
    if (comesBack && !this.#isPartial) return;
    this.#link.close();
    const delay = Math.min(FIRST_DELAY * 2 ** this.#failures, LONGEST_DELAY);
    this.#failures += 1;
    clearTimeout(this.#timer);
    // Not all windows at the same moment.
    this.#timer = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));
  }

  #retryNow() {
    if (this.#timer !== undefined) this.#connect();
  }

  #status(state) {
    this.#onStatus({ state, kind: this.#kind });
  }
}

/** One WebSocket: changes come in, writes go out, each with a `ref` that its `ack` or `error` gives back. */
class SocketLink {
  #socket;
  #events;
  #waiting = new Map();
  #lastRef = 0;

  constructor(url, events) {
    const address = new URL(url);
    address.protocol = address.protocol.replace('http', 'ws');
    this.#events = events;
    this.#socket = new WebSocket(address);
    this.#socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
    this.#socket.onclose = () => {
      this.#failWaiting();
      this.#events.onLost(false);
    };
  }

  put(id, data) {
    return this.#ask({ message_type: 'Update', id, data });
  }

  delete(id) {
    return this.#ask({ message_type: 'Delete', id });
  }

  publish(id, data) {
    this.#send({ message_type: 'Publish', id, data });
  }

  close() {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close();
    this.#failWaiting();
  }

  #take(frame) {
    const waiting = this.#waiting.get(frame.ref);
    this.#waiting.delete(frame.ref);
    if (frame.type === 'ack') waiting?.resolve(frame);
    if (frame.type === 'error') waiting?.reject(new Refusal(frame.message, frame.details));
    this.#events.onFrame({ ...frame, type: frame.message_type ?? frame.type, raw: frame });
  }

  #ask(message) {
    this.#lastRef += 1;
    const ref = this.#lastRef;
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) throw unreachable();
      this.#waiting.set(ref, { resolve, reject });
      setTimeout(() => this.#waiting.delete(ref) && reject(unreachable()), ANSWER_TIMEOUT);
      this.#send({ ...message, ref });
    });
  }

  #send(message) {
    this.#socket.send(JSON.stringify(message));
    this.#events.onSent({ type: message.message_type, id: message.id, data: message.data, raw: message });
  }

  #failWaiting() {
    for (const { reject } of this.#waiting.values()) reject(unreachable());
    this.#waiting.clear();
  }
}

/** One EventSource, which sends its Last-Event-ID when it connects again by itself. Writes are REST requests. */
class StreamLink {
  #url;
  #source;
  #events;
  #silence;

  constructor(url, events) {
    this.#url = new URL(url.pathname, url);
    this.#events = events;
    this.#source = new EventSource(url);
    this.#source.onerror = ({ data }) => {
      // An `error` event that the server sent has data; one of the browser's own has none.
      if (data === undefined) this.#events.onLost(this.#source.readyState === EventSource.CONNECTING);
    };
    for (const name of [...Object.keys(EVENTS), ...CONTROLS]) {
      this.#source.addEventListener(name, (event) => this.#take(name, event));
    }
    this.#heard();
  }

  put(id, data) {
    return this.#ask('PUT', `/${encodeURIComponent(id)}`, data);
  }

  delete(id) {
    return this.#ask('DELETE', `/${encodeURIComponent(id)}`);
  }

  publish(id, data) {
    const path = id === null ? '?publish=true' : `/${encodeURIComponent(id)}?publish=true`;
    this.#ask('POST', path, data).catch(() => undefined);
  }

  close() {
    clearTimeout(this.#silence);
    this.#source.onerror = null;
    this.#source.close();
  }

  #take(name, { data, lastEventId }) {
    this.#heard();
    if (data === undefined || this.#source.readyState === EventSource.CLOSED) return;
    const value = JSON.parse(data);
    const type = EVENTS[name] ?? value.type ?? name;
    const seq = CHANGES.has(type) ? Number(lastEventId) : value.seq;
    const isRecord = name in EVENTS && type !== 'Publish';
    this.#events.onFrame({ type, id: isRecord ? value.id : null, data: value, seq, raw: value });
  }

  #heard() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#events.onLost(false), STREAM_SILENCE);
  }

  async #ask(method, path, data) {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT),
      ...(data === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(data) }),
    }).catch(() => {
      throw unreachable();
    });
    if (response.ok) return;
    const problem = await response.json().catch(() => ({}));
    throw new Refusal(problem.detail ?? `The server answered ${response.status}.`, problem.errors);
  }
}

function unreachable() {
  return new Refusal('The server did not confirm this. Your text is kept: try again when the connection is back.');
}
