import { urlOf } from '../state/http.ts';
import { tokenOf } from '../state/session.ts';

/** Frame as it came over the wire, or as it was sent. */
export interface WireFrame {
  readonly number: number;
  readonly at: number;
  readonly direction: 'in' | 'out' | 'state';
  readonly kind: string;
  readonly id: string | undefined;
  readonly seq: number | undefined;
  readonly bytes: number;
  readonly text: string;
}

export interface WireHost {
  frame(frame: Omit<WireFrame, 'number' | 'at'>): void;
  state(state: 'connecting' | 'open' | 'closed'): void;
}

export interface Wire {
  send(text: string): void;
  close(): void;
}

const encoder = new TextEncoder();

/** Opens a channel by WebSocket, as any client would, and reports every frame. */
export async function openSocket(app: string, path: string, host: WireHost): Promise<Wire> {
  const token = await tokenOf(app);
  const url = urlOf(app, path).replace(/^http/, 'ws');
  host.state('connecting');
  const socket = new WebSocket(url, token === undefined ? [] : ['tablecast.json', `bearer.${token}`]);
  socket.onopen = () => host.state('open');
  socket.onmessage = ({ data }) => report(host, 'in', String(data));
  socket.onclose = ({ code, reason }) => {
    host.state('closed');
    note(host, `closed with ${code}${reason === '' ? '' : `: ${reason}`}`);
  };
  return {
    send: (text) => {
      socket.send(text);
      report(host, 'out', text);
    },
    close: () => socket.close(1000),
  };
}

/** Opens a channel as an event stream. */
export async function openStream(app: string, path: string, host: WireHost): Promise<Wire> {
  const abort = new AbortController();
  const token = await tokenOf(app);
  host.state('connecting');
  const headers = { accept: 'text/event-stream', ...(token !== undefined && { authorization: `Bearer ${token}` }) };
  void read(urlOf(app, path), { headers, signal: abort.signal, cache: 'no-store', credentials: 'omit' }, host);
  return { send: () => undefined, close: () => abort.abort() };
}

async function read(url: string, options: RequestInit, host: WireHost): Promise<void> {
  try {
    const response = await fetch(url, options);
    if (!response.ok || response.body === null) throw new Error(`${response.status}: ${await response.text()}`);
    host.state('open');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const blocks = (rest + part.value).split(/\r?\n\r?\n/);
      rest = blocks.pop() ?? '';
      for (const block of blocks) reportEvent(host, block);
    }
    note(host, 'the stream has ended');
  } catch (error) {
    if (!options.signal?.aborted) note(host, (error as Error).message);
    else note(host, 'closed');
  }
  host.state('closed');
}

function reportEvent(host: WireHost, block: string): void {
  const member = (name: string) =>
    block
      .split(/\r?\n/)
      .filter((line) => line.startsWith(`${name}:`))
      .map((line) => line.slice(name.length + 1).replace(/^ /, ''))
      .join('\n');
  const id = member('id');
  const kind = member('event') || 'message';
  host.frame({
    direction: 'in',
    kind,
    id: idOf(parse(member('data'))),
    seq: /^\d+$/.test(id) ? Number(id) : undefined,
    bytes: encoder.encode(`${block}\n\n`).length,
    text: block,
  });
}

function report(host: WireHost, direction: 'in' | 'out', text: string): void {
  const message = parse(text);
  const { message_type: kind, type, seq } = message as { message_type?: unknown; type?: unknown; seq?: unknown };
  host.frame({
    direction,
    kind: String(kind ?? type ?? 'record'),
    id: idOf(message),
    seq: typeof seq === 'number' ? seq : undefined,
    bytes: encoder.encode(text).length,
    text,
  });
}

function parse(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    return value !== null && typeof value === 'object' ? value : {};
  } catch {
    return {};
  }
}

function idOf(message: object): string | undefined {
  const { id } = message as { id?: unknown };
  return id === undefined || id === null ? undefined : String(id);
}

function note(host: WireHost, text: string): void {
  host.frame({ direction: 'state', kind: 'state', id: undefined, seq: undefined, bytes: 0, text });
}
