import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { TestServer } from '../support/app.ts';
import { WsClient } from '../support/ws-client.ts';

export const PATH = '/my-app/Message';
export const RECORD = { title: 'Hello', content: 'World' };

/** The server still works for somebody else: a write is stored and told. */
export async function expectAlive(server: TestServer): Promise<void> {
  using other = await WsClient.subscribe(server.wsUrl('Message/alive'));
  await server.put('Message/alive', { title: `at ${performance.now()}`, content: '' });
  expect((await other.next(({ op }) => op !== 'retained')).id).toBe('alive');
  expect(server.stderr).toBe('');
}

export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}

export const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;
