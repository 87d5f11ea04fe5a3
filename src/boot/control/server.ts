import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ServerConfig } from '../../config/config.ts';
import { AppError } from '../../errors.ts';
import type { OpenApp } from '../open-app.ts';
import {
  CONTROL_HOST,
  CONTROL_PATH,
  type ControlFile,
  type ControlRequest,
  controlFileOf,
  LocalTransfer,
  MAX_CONTROL_BYTES,
} from './transfer.ts';

const TOKEN_BYTES = 32;

/**
 * Listener for the commands of this machine that write to a store which the server has open. It listens on loopback and
 * answers only to the token in `control.json`, which is as private as the databases beside it.
 */
export class ControlServer {
  readonly #transfers: ReadonlyMap<string, LocalTransfer>;
  readonly #files: readonly string[];
  readonly #token = randomBytes(TOKEN_BYTES).toString('base64url');
  readonly #server: Server;

  private constructor(opened: readonly OpenApp[], config: ServerConfig) {
    this.#transfers = new Map(
      opened.map(({ config: { appId }, application }) => [appId, new LocalTransfer(application, config)]),
    );
    this.#files = opened.map(({ config: { dataDir } }) => controlFileOf(dataDir));
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  /** Listens, and writes the file into each data directory. */
  static async open(opened: readonly OpenApp[], config: ServerConfig): Promise<ControlServer> {
    const control = new ControlServer(opened, config);
    control.#server.listen({ host: CONTROL_HOST, port: 0 });
    await once(control.#server, 'listening');
    // The listener alone keeps no process alive.
    control.#server.unref();
    const { port } = control.#server.address() as AddressInfo;
    for (const { config: app } of opened) {
      const content: ControlFile = { pid: process.pid, port, token: control.#token, app: app.appId };
      const file = controlFileOf(app.dataDir);
      rmSync(file, { force: true });
      writeFileSync(file, `${JSON.stringify(content)}\n`, { mode: 0o600 });
    }
    return control;
  }

  /** Finishes the request under way, and removes the files. */
  async close(): Promise<void> {
    for (const file of this.#files) rmSync(file, { force: true });
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.setHeader('connection', 'close');
    try {
      if (!this.#isAllowed(request)) return void response.writeHead(401).end();
      if (request.method !== 'POST' || request.url !== CONTROL_PATH) return void response.writeHead(404).end();
      const result = await this.#run(JSON.parse(await readBody(request)) as ControlRequest);
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ result }));
    } catch (error) {
      const { code, message } = error instanceof AppError ? error : { code: 'INTERNAL', message: String(error) };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { code, message } }));
    }
  }

  #isAllowed({ headers }: IncomingMessage): boolean {
    const given = Buffer.from(headers.authorization ?? '');
    const wanted = Buffer.from(`Bearer ${this.#token}`);
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  #run(request: ControlRequest): Promise<unknown> {
    const transfer = this.#transfers.get(request.app);
    if (transfer === undefined) throw new AppError('NOT_FOUND', `The server has no application ${request.app}.`);
    const table = { name: request.table };
    return request.type === 'reset' ? transfer.reset(table) : transfer.importBatch(table, request.batch);
  }
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_CONTROL_BYTES)
      throw new AppError('BODY_TOO_LARGE', 'The batch is too large; import smaller records.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
