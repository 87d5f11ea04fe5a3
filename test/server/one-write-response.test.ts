import { createServer, type IncomingMessage, ServerResponse } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { OneWriteResponse } from '../../src/server/node/one-write-response.ts';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

interface TestServer {
  readonly client: Socket;
  /** Outcomes of the responses, in order. */
  readonly events: string[];
  /** Text received so far, without dates. */
  received(): string;
  receive(text: string): Promise<void>;
}

async function open(kind: typeof ServerResponse, handle: Handler, { reads = true } = {}): Promise<TestServer> {
  const events: string[] = [];
  const server = createServer({ ServerResponse: kind }, (request, response) => {
    for (const event of ['finish', 'close'] as const) response.on(event, () => events.push(`${event} ${request.url}`));
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  await new Promise((resolve) => client.once('connect', resolve));
  onTestFinished(() => {
    client.destroy();
    server.closeAllConnections();
    server.close();
  });
  let text = '';
  client.setEncoding('latin1').on('error', () => {});
  if (reads) client.on('data', (chunk) => (text += chunk));
  const received = () => text.replaceAll(/^Date: .*\r\n/gm, '');
  const receive = (expected: string) => vi.waitFor(() => expect(text).toContain(expected), { timeout: 5000 });
  return { client, events, received, receive };
}

const KINDS = { node: ServerResponse, ours: OneWriteResponse as unknown as typeof ServerResponse };

/** Runs the same requests with Node's responses and with OneWriteResponse, and returns both results. */
async function compare(handle: Handler, requests: string, until: string) {
  const seen = [];
  for (const kind of Object.values(KINDS)) {
    const { client, events, received, receive } = await open(kind, handle);
    client.write(requests);
    await receive(until);
    await vi.waitFor(() => expect(events.filter((event) => event.startsWith('close'))).not.toHaveLength(0));
    await wait(20);
    seen.push({ received: received(), events: [...events] });
  }
  return seen as [{ received: string; events: string[] }, { received: string; events: string[] }];
}

function ask(path: string, method = 'GET', more = ''): string {
  return `${method} ${path} HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
}

describe('a response in one piece', () => {
  test('is one write to the socket, where Node before 24 needs a vectored write', async () => {
    // Node 24.18 writes two pieces as Node 20 does, 24.21 writes one: what Node itself does is compared where it is old.
    const kinds = Number(process.versions.node.split('.')[0]) < 24 ? (['node', 'ours'] as const) : (['ours'] as const);
    for (const name of kinds) {
      let socket: Socket | undefined;
      const { client, receive } = await open(KINDS[name], ({ socket: its }, response) => {
        socket = its;
        vi.spyOn(its as Socket & { _writev: () => void }, '_writev');
        response.end('{"a":"ä"}');
      });
      client.write(ask('/'));
      await receive('"}');
      const writes = name === 'node' ? 1 : 0;
      expect((socket as unknown as { _writev: unknown })._writev, name).toHaveBeenCalledTimes(writes);
    }
  });

  const scenarios: Record<string, [Handler, string, string]> = {
    'with a body': [(_, response) => response.end('whole'), ask('/1', 'GET', 'Connection: close\r\n'), 'whole'],
    'of bytes': [(_, response) => response.end(Buffer.from('bytes')), ask('/1'), 'bytes'],
    'with a length of its own': [
      (_, response) => response.writeHead(201, { 'content-length': 5, etag: '"1"' }).end('whole'),
      ask('/1'),
      'whole',
    ],
    'in chunks': [
      (_, response) => {
        response.write('some');
        response.end('more');
      },
      ask('/1'),
      '0\r\n\r\n',
    ],
    'of a HEAD': [(_, response) => response.setHeader('x', 'y').end('none'), ask('/1', 'HEAD'), 'x: y'],
    'without a body': [(_, response) => response.writeHead(204).end(), ask('/1'), '204'],
    'that says nothing': [(_, response) => response.end(), ask('/1'), 'Content-Length: 0'],
    'to the old HTTP': [(_, response) => response.end('old'), 'GET /1 HTTP/1.0\r\n\r\n', 'old'],
  };
  test.each(Object.entries(scenarios))('%s has the bytes and events of Node', async (_, [handle, request, until]) => {
    const [node, ours] = await compare(handle, request, until);
    expect(ours).toEqual(node);
    expect(ours.events).toEqual(['finish /1', 'close /1']);
  });

  test('comes after the responses to earlier requests', async () => {
    const handle: Handler = ({ url }, response) => {
      if (url === '/1') setTimeout(() => response.end('first'), 30);
      else response.end(`answer to ${url}`);
    };
    const requests = ask('/1') + ask('/2') + ask('/3', 'GET', 'Connection: close\r\n');
    const [node, ours] = await compare(handle, requests, 'answer to /3');
    expect(ours).toEqual(node);
    expect(ours.received.match(/first|answer to \/\d/g)).toEqual(['first', 'answer to /2', 'answer to /3']);
  });

  test('on a lost connection does no harm', async () => {
    const handle: Handler = ({ socket }, response) => {
      response.write('begun');
      setTimeout(() => {
        socket.destroy();
        response.end('more');
      }, 10);
    };
    const [node, ours] = await compare(handle, ask('/1'), 'begun');
    expect(ours).toEqual(node);
  });

  test('is finished only when the kernel has accepted all of it', async () => {
    const size = 20_000_000;
    const answer: Handler = (_, response) => response.end('x'.repeat(size));
    const { client, events } = await open(KINDS.ours, answer, { reads: false });
    client.write(ask('/1'));
    await wait(200);
    expect(events).toEqual([]);
    let bytes = 0;
    client.on('data', (chunk) => {
      bytes += chunk.length;
    });
    await vi.waitFor(() => expect(bytes).toBeGreaterThanOrEqual(size), { timeout: 10_000 });
    await vi.waitFor(() => expect(events[0]).toBe('finish /1'));
  });
});
