import { type Client, connect } from '../../../src/client/client.ts';
import { urlOf } from './http.ts';
import { tokenOf } from './session.ts';
import { view } from './view.ts';

type AnyRecords = Record<string, Readonly<Record<string, unknown>>>;

const clients = new Map<string, Client<AnyRecords>>();

/** Client of an application: the one that every page can have, with the token of this login. */
export function liveClient(app: string): Client<AnyRecords> {
  let client = clients.get(app);
  if (client === undefined) {
    client = connect<AnyRecords>(urlOf(app, ''), { token: ({ renew }) => tokenOf(app, { renew }) });
    clients.set(app, client);
  }
  return client;
}

/** Ends every connection, since the caller is another one now. */
export function closeClients(): void {
  for (const client of clients.values()) client.close();
  clients.clear();
}

// A connection goes on with the rights that it was opened with: another view needs others.
view.subscribe(closeClients);
