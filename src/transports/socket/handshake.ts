import type { IncomingMessage } from 'node:http';
import { AppError } from '../../errors.ts';

/** A key is 16 bytes in base64, RFC 6455 §4.1. */
const KEY = /^[+/0-9A-Za-z]{22}==$/;

/** Checks a handshake by RFC 6455 §4.2.1. Throws AppError with the right status, before any 101. */
export function checkHandshake({ method, headers }: IncomingMessage): void {
  if (method !== 'GET') {
    throw new AppError('METHOD_NOT_ALLOWED', 'A WebSocket is opened with GET.', { headers: { allow: 'GET' } });
  }
  if (!/(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.connection ?? '')) {
    throw new AppError('BAD_REQUEST', 'Connection: Upgrade is missing; a proxy may have taken it away.');
  }
  const version = headers['sec-websocket-version'];
  if (version === undefined) throw new AppError('BAD_REQUEST', 'Sec-WebSocket-Version is missing.');
  if (version !== '13') {
    const expected = { 'sec-websocket-version': '13', upgrade: 'websocket' };
    throw new AppError('UPGRADE_REQUIRED', 'Only WebSocket version 13 is spoken here.', { headers: expected });
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) {
    throw new AppError('BAD_REQUEST', 'Sec-WebSocket-Key must be 16 bytes in base64.');
  }
}
