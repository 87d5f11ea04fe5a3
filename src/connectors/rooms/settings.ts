import type { Report } from '../../config/files/report.ts';
import type { FlatKeys } from '../../config/keys/section.ts';
import {
  booleanKey,
  choiceKey,
  countKey,
  durationKey,
  optional,
  pathKey,
  portKey,
  textKey,
} from '../../config/keys/values.ts';
import { isLoopback } from '../../config/loopback.ts';
import type { RoomLimits } from '../../hub/rooms/rooms.ts';
import type { ConnectorUse, Operations, SourceType, TargetType } from '../connector.ts';

export type Openness = 'anyone' | 'authenticated';

/** Settings of all connectors with rooms in config.yaml. */
export interface RoomSettings extends RoomLimits {
  /** Port of its own; undefined for the port of the server. */
  readonly port: number | undefined;
  readonly host: string | undefined;
  readonly path: string;
  readonly pingInterval: number;
  /** Undefined for the default: `authenticated` where the application has `auth`, else `anyone`. */
  readonly access: Openness | undefined;
  readonly join: Openness;
  readonly presence: boolean;
  readonly presenceNames: number;
}

const DEFAULT_HOST = '0.0.0.0';
const OPENNESS = ['anyone', 'authenticated'] as const;

/** `path` is the default one. */
export function roomKeys({ path }: { readonly path: string }): FlatKeys<RoomSettings> {
  return {
    port: optional(portKey(0, { what: 'Port of its own; 0 chooses a free one', shownDefault: 'that of the server' })),
    host: textKey(undefined, {
      what: 'Address to listen on; only together with `port`',
      shownDefault: `\`${DEFAULT_HOST}\``,
    }),
    path: pathKey(path, {
      what: 'Path: on the port of the server behind `/{app_id}` and, for the default application, also without it',
    }),
    pingInterval: durationKey('30s', { what: 'Interval of the pings that a client receives' }),
    access: choiceKey(OPENNESS, undefined, {
      what: 'Callers that may connect',
      shownDefault: '`authenticated` if the application has `auth`, else `anyone`',
    }),
    join: choiceKey(OPENNESS, 'anyone', { what: 'Connected callers that may join rooms' }),
    presence: booleanKey(false, { what: 'Whether members of a room receive its list of members, joins and leaves' }),
    presenceNames: countKey(1000, { what: 'Maximum number of names in a list of members' }, { max: 100_000 }),
    roomsPerConnection: countKey(100, { what: 'Maximum number of rooms of one connection' }, { max: 100_000 }),
    roomName: countKey(128, { what: 'Maximum number of characters in the name of a room' }, { max: 4096 }),
  };
}

/** Address to listen on, for a connector with a port of its own. */
export function hostOf({ host }: Pick<RoomSettings, 'host'>): string {
  return host ?? DEFAULT_HOST;
}

const PLAIN_SOURCE = { keys: {}, failure: 'answers' } as const;

/** Events that may wait for flows: all connections may open or close at once, and these events are not repeated. */
const MAX_WAITING_EVENTS = 100_000;

/** Events of connections of every kind. */
export const CONNECTION_EVENTS: Readonly<Record<'connect' | 'disconnect', SourceType>> = {
  connect: { ...PLAIN_SOURCE, mostWaiting: MAX_WAITING_EVENTS, what: 'A client has connected' },
  disconnect: { ...PLAIN_SOURCE, mostWaiting: MAX_WAITING_EVENTS, what: 'A client has disconnected' },
};

export const MESSAGE: SourceType = { ...PLAIN_SOURCE, what: 'A client has sent a message' };

/** Targets that send to connections. */
export const ROOM_TARGETS: Operations<TargetType> = {
  named: {
    broadcast: { what: 'All connections', keys: {}, target: 'none', needsTarget: false },
    send_to_room: { what: 'The members of a room', keys: {}, target: 'expression', needsTarget: true },
    send_to_user: { what: 'All connections of a user', keys: {}, target: 'expression', needsTarget: true },
  },
};

/** Reports connectors that are public without that being said, and settings that contradict each other. */
export function checkRoomSettings({ app, settings, section }: ConnectorUse<RoomSettings>, report: Report): void {
  const { port, host, access, join } = settings;
  const { members, path } = section;
  if (port === undefined && host !== undefined) {
    const message = `${path}.host is for a connector with a port of its own`;
    report.add((members.get('host') ?? section).diagnose({ message, hint: 'write `port:` as well, or remove it' }));
  }
  if (port !== undefined && app.auth === undefined && !isLoopback(hostOf(settings))) {
    const message = `${path} on host "${hostOf(settings)}" can be reached from other machines, where callers are not authenticated`;
    const hint = 'configure `auth`, write `auth: none` to confirm that the connector is public, or `host: 127.0.0.1`';
    report.add((members.get('host') ?? members.get('port') ?? section).diagnose({ message, hint }));
  }
  if (typeof app.auth === 'object') return;
  for (const [key, value] of Object.entries({ access, join })) {
    if (value !== 'authenticated') continue;
    const message = `${path}.${key}: callers cannot authenticate here`;
    report.add((members.get(key) ?? section).diagnose({ message, hint: 'configure `auth`' }));
  }
}
