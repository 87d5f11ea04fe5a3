import { type Client, connect } from '../../../src/client/client.ts';
import { urlOf } from './http.ts';
import { loginEpoch, tokenOf } from './session.ts';

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

/** Ends the connections to all applications but one. */
export function closeOtherClients(app: string | undefined): void {
  for (const [name, client] of clients) {
    if (name === app) continue;
    clients.delete(name);
    client.close();
  }
}

// A connection goes on with the rights that it was opened with: another caller needs others. They are closed at once, and not
// in an effect of the page: what the page has drawn by then has opened connections of the new caller.
loginEpoch.subscribe(() => closeOtherClients(undefined));
