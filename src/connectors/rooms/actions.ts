import { AppError } from '../../errors.ts';
import { type Ref, renew } from '../../transports/socket/auth-message.ts';
import type { FlowData } from '../connector.ts';
import type { ConnectionEvents } from './connection-events.ts';
import { checkOpenness } from './connection-info.ts';
import { type ClientMessage, toMessageData, unknownType } from './messages.ts';
import type { RoomSocket } from './socket.ts';
import { Delivered } from './targets.ts';

/** Runs one message of a client, and answers it. Throws AppError, or what a flow throws. */
export async function runMessage(socket: RoomSocket, message: ClientMessage): Promise<void> {
  switch (message.type) {
    case 'message':
      return answerResult(socket, await flowsOf(socket.events, toMessageData(message)), message.ref);
    case 'join_room':
      return joinRoom(socket, message);
    case 'leave_room':
      return leaveRoom(socket, message);
    case 'auth':
      if (socket.context.auth !== undefined) return renewToken(socket, message);
  }
  throw unknownType(message.type);
}

/** Runs the flows of a message, and returns their result. Throws INVALID_MESSAGE where there are none, and as flows do. */
export async function flowsOf(events: ConnectionEvents, data: FlowData): Promise<unknown> {
  const running = events.fire('message', data);
  if (running === undefined) throw new AppError('INVALID_MESSAGE', 'No flow handles messages of this connector.');
  return running;
}

/** A message with a `ref` is always answered. */
function answerResult(socket: RoomSocket, result: unknown, ref: Ref | undefined): void {
  const isData = result !== null && result !== undefined && !(result instanceof Delivered);
  if (isData) socket.answer({ type: 'message', data: result, ...refOf(ref) });
  else if (ref !== undefined) socket.answer({ type: 'ack', ref, ...(result instanceof Delivered ? result : {}) });
}

async function joinRoom(socket: RoomSocket, { value: { room }, ref }: ClientMessage): Promise<void> {
  checkOpenness(socket.context.join, socket.identity);
  const presence = await socket.rooms.join(room);
  socket.answer({ type: 'joined', room, ...refOf(ref) });
  if (presence !== undefined) socket.answer(presence);
}

function leaveRoom(socket: RoomSocket, { value: { room }, ref }: ClientMessage): void {
  socket.rooms.leave(room);
  socket.answer({ type: 'left', room, ...refOf(ref) });
}

async function renewToken(socket: RoomSocket, { value, ref }: ClientMessage): Promise<void> {
  const renewed = await renew(socket, value, socket.context.auth);
  if (renewed !== undefined) socket.answer({ type: 'auth', expires_at: renewed.expiresAt, ...refOf(ref) });
}

function refOf(ref: Ref | undefined): { ref?: Ref } {
  return ref === undefined ? {} : { ref };
}
