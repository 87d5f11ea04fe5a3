import type { LocalAccounts } from '../../auth/accounts/local-accounts.ts';
import type { ApiKey, User } from '../../store/accounts.ts';
import type { AdminApp } from '../admin-hooks.ts';

/** Rooms of one connector that an answer has. */
const MAX_ROOMS = 1000;
/** Users of one room that an answer names. */
const MAX_NAMES = 100;

/** Lists the rooms of every connector that has some, with the number of their connections and the users in them. */
export function listRooms({ flows }: AdminApp): object {
  const connectors = (flows?.connectors ?? []).flatMap(({ name, rooms }) => {
    if (rooms === undefined) return [];
    const listed: object[] = [];
    for (const { name: room, connections, users } of rooms.list()) {
      if (listed.length === MAX_ROOMS) break;
      const names = [...users];
      listed.push({ name: room, connections, users: names.length, members: names.slice(0, MAX_NAMES) });
    }
    return [{ name, connections: rooms.connections, users: rooms.users, rooms: rooms.rooms, list: listed }];
  });
  return { connectors };
}

/** Lists the users of an application in the order of their names, without passwords. */
export async function listUsers(accounts: Pick<LocalAccounts, 'users'>): Promise<object> {
  return { users: (await accounts.users()).map(describeUser) };
}

/** Lists the API keys of an application in the order of their creation, without what they are made of. */
export async function listKeys(accounts: Pick<LocalAccounts, 'keys'>): Promise<object> {
  return { keys: (await accounts.keys()).map(describeKey) };
}

function describeUser({ id, name, roles, claims, disabled, created }: User): object {
  return { sub: id, name, roles, claims, disabled, created_at: new Date(created).toISOString() };
}

function describeKey({ id, name, sub, roles, claims, created, revoked }: ApiKey): object {
  return {
    id,
    name,
    sub,
    roles,
    claims,
    created_at: new Date(created).toISOString(),
    revoked_at: revoked === undefined ? null : new Date(revoked).toISOString(),
  };
}
