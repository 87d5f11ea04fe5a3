import type { Identity } from '../../auth/identity.ts';
import type { RoomAccess } from '../../auth/rooms/access.ts';
import { AppError } from '../../errors.ts';
import type { RealtimeHooks } from '../../hooks/realtime-hooks.ts';
import type { RoomsHandle } from '../../hub/rooms/rooms.ts';
import type { Deliver } from '../connector.ts';

/** Number of connections that a message was sent to; 0 is not a failure. A result that is acknowledged, not sent back. */
export class Delivered {
  readonly delivered: number;

  constructor(delivered: number) {
    this.delivered = delivered;
  }
}

/** Checks before a message is sent to a room. */
interface RoomGuards {
  /** Name of the connector. */
  readonly name: string;
  readonly hooks: RealtimeHooks | undefined;
  readonly access: RoomAccess | undefined;
}

function subOf(identity: Identity): string | null {
  return identity.type === 'principal' ? identity.sub : null;
}

/**
 * Sends the output of a flow to connections. Throws BAD_REQUEST where the flow gives no name of a room or user, and
 * FORBIDDEN where the flow acts as a caller that may not send to the room; hooks may refuse, too.
 */
export function deliverTo(
  rooms: RoomsHandle,
  operation: string,
  { name: connector, hooks, access }: RoomGuards,
): Deliver {
  return async ({ output, target, identity }) => {
    if (operation === 'broadcast') return new Delivered(rooms.broadcast(output));
    if (operation !== 'send_to_room') return new Delivered(rooms.sendToUser(nameOf(target, 'user'), output));
    const room = nameOf(target, 'room');
    await access?.check('send', room, identity);
    await hooks?.askSend({ room, connector, identity, userId: subOf(identity), data: output });
    return new Delivered(rooms.sendToRoom(room, output));
  };
}

/** Accepts a number too: the value may be the key of a record. */
function nameOf(target: unknown, what: string): string {
  if (typeof target === 'number') return String(target);
  if (typeof target === 'string' && target !== '') return target;
  throw new AppError('BAD_REQUEST', `The ${what} to send to is missing: \`target\` gave no name.`);
}
