import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { startServer } from '../../src/index.ts';
import type { Json } from '../support/frames.ts';
import { ask } from '../support/http.ts';
import { SECRET, tokenOf } from '../support/tokens.ts';

export const AUTH = `auth: {jwt: {secret: ${SECRET}}}\n`;

/** A running application with its admin API. */
export interface Running {
  /** `http://127.0.0.1:41234/my-app` */
  readonly url: string;
  /** Folder of the application. */
  readonly dir: string;
  /** Reads `/_/admin/{path}`; with a token as its bearer. */
  admin(path: string, token?: string): Promise<AdminAnswer>;
  stop(): Promise<void>;
  /** Sends a request below the application's prefix. */
  send(method: string, path: string, json?: unknown, token?: string): Promise<AdminAnswer>;
}

export interface AdminAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** Starts an application in this process. */
export async function start(
  schema: string,
  config = '',
  files: Readonly<Record<string, string>> = {},
): Promise<Running> {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-admin-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const all = {
    'schema.graphql': schema,
    'config.yaml': `app_id: my-app\nport: 0\nlogging: {level: silent}\n${config}`,
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  const server = await startServer({ dir, env: {}, allowDestructive: false });
  onTestFinished(() => server.close());
  const url = `${server.url}/my-app`;
  const send = async (method: string, path: string, json?: unknown, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await ask(method, `${url}/${path}`, { headers, ...(json === undefined ? {} : { json }) });
    const body = (answer.text === '' ? {} : JSON.parse(answer.text)) as Json;
    return { status: answer.status, headers: answer.headers, body };
  };
  return {
    url,
    dir,
    send,
    stop: () => server.close(),
    admin: (path, token) => send('GET', `_/admin/${path}`, undefined, token),
  };
}

export const ADMIN = tokenOf('root', { roles: ['admin'] });
export const USER = tokenOf('u1', { roles: ['editor'] });
