import { BASE_CONFIG, startServer, type TestServer } from './app.ts';
import { SECRET, tokenOf } from './tokens.ts';

/** `Note` is open to everybody, `Locked` to nobody. */
export const AUTH_SCHEMA = `
type Note @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  text: String
}
type Locked @table @export(public: []) {
  id: ID! @primaryKey
}
type Ticketed @table @export {
  id: ID! @primaryKey
  ticket: String
  token: String
}
`;

/** A server whose application takes tokens of issuer `us` for `app`, signed with `SECRET`; every request is logged. */
export function startAuthServer(auth = '', more = ''): Promise<TestServer> {
  const config = `${BASE_CONFIG}auth:
  jwt:
    secret: \${JWT_SECRET}
    issuer: us
    audience: app
${auth}logging:
  requests: true
${more}`;
  return startServer({ schema: AUTH_SCHEMA, config, env: { JWT_SECRET: SECRET } });
}

/** A token that it takes. */
export function accessToken(sub: string, claims: Readonly<Record<string, unknown>> = {}): string {
  return tokenOf(sub, { iss: 'us', aud: 'app', ...claims });
}

export function bearer(token: string): { headers: { authorization: string } } {
  return { headers: { authorization: `Bearer ${token}` } };
}
