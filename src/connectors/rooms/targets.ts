import { AppError } from '../../errors.ts';
import type { RoomsHandle } from '../../hub/rooms.ts';
import { type Deliver, PermanentError } from '../connector.ts';

/** Takes the output of a flow to connections. What comes back is how many there were: none is no failure. */
export function deliverTo(rooms: RoomsHandle, operation: string): Deliver {
  return async ({ output, target }) => {
    if (operation === 'broadcast') return { delivered: rooms.broadcast(output) };
    const name = nameOf(target, operation === 'send_to_room' ? 'room' : 'user');
    try {
      const send = operation === 'send_to_room' ? rooms.sendToRoom : rooms.sendToUser;
      return { delivered: send.call(rooms, name, output) };
    } catch (error) {
      throw error instanceof AppError ? new PermanentError(error.message, { cause: error }) : error;
    }
  };
}

/** A number is taken as text: what a flow gives may be the key of a record. */
function nameOf(target: unknown, what: string): string {
  if (typeof target === 'number') return String(target);
  if (typeof target === 'string' && target !== '') return target;
  const message = `The ${what} to send to is missing: \`target\` gave no name.`;
  throw new PermanentError(message, { cause: new AppError('BAD_REQUEST', message) });
}
