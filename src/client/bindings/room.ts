import type { Client } from '../client.ts';
import type { Status } from '../connection/link.ts';
import type { TablecastError } from '../error.ts';
import type { Rooms } from '../rooms/rooms.ts';

/** State of a room as a binding shows it. */
export interface RoomState {
  /** `closed` after an error that has ended the membership. */
  readonly status: Status;
  /** Users in the room, if the connector has `presence`. */
  readonly members: readonly string[];
  readonly error: TablecastError | undefined;
}

export interface RoomOptions {
  /** Name or path of the connector; `ws` by default. */
  readonly connector?: string | undefined;
  /** Called for every message to the room. */
  onMessage?(data: unknown): void;
}

export const NOT_JOINED: RoomState = { status: 'connecting', members: [], error: undefined };

/** Joins a room until `close`; `changed` is called with each new state. */
export function joinRoom(
  client: Client,
  room: string,
  { connector, onMessage }: RoomOptions,
  changed: (state: RoomState) => void,
): Rooms {
  let state = NOT_JOINED;
  const set = (next: Partial<RoomState>) => {
    state = { ...state, ...next };
    changed(state);
  };
  const rooms = client.rooms(connector, {
    broadcasts: false,
    onMessage: (data, from) => from === room && onMessage?.(data),
    onPresence: (_room, members) => set({ members }),
    onStatus: (status) => set({ status }),
    onError: (error, refused) => set(refused === room ? { error, status: 'closed' } : { error }),
  });
  rooms.join(room).catch(() => {});
  return rooms;
}
