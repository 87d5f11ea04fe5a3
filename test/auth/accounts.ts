import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logins } from '../../src/auth/accounts/logins.ts';
import { type OpenAccounts, openAccounts } from '../../src/auth/accounts/open-accounts.ts';
import { Tokens } from '../../src/auth/credentials/tokens.ts';
import { loadConfig } from '../../src/config/load.ts';
import { SECRET } from '../support/tokens.ts';

/** Opens the accounts that config.yaml of the folder configures. */
export async function openFolder(
  dir: string,
  onReuse: (user: string) => void = () => {},
): Promise<{ open: OpenAccounts; tokens: Tokens }> {
  const { app, server } = loadConfig(dir, {});
  if (app.auth === undefined || app.auth === 'none') throw new Error('auth is not configured');
  const onError = (error: unknown) => {
    throw error;
  };
  const open = await openAccounts({ app, auth: app.auth, limits: server.limits, onError, onReuse });
  return { open, tokens: new Tokens(app.auth.jwt) };
}

/** Accounts of a new application folder, opened in this process. */
export class TestAccounts implements Disposable {
  readonly dir: string;
  readonly tokens: Tokens;
  readonly open: OpenAccounts;
  readonly logins: Logins;
  /** Users whose refresh token was used twice. */
  readonly reused: string[];

  private constructor(dir: string, tokens: Tokens, open: OpenAccounts, reused: string[]) {
    const logins = open.logins(tokens);
    if (logins === undefined) throw new Error('there are no built-in users');
    this.dir = dir;
    this.tokens = tokens;
    this.open = open;
    this.logins = logins;
    this.reused = reused;
  }

  /** Starts accounts with the given YAML at the top level of config.yaml. */
  static async start(config = '', below = ''): Promise<TestAccounts> {
    const dir = mkdtempSync(join(tmpdir(), 'tablecast-auth-'));
    writeFileSync(join(dir, 'schema.graphql'), 'type A @table { id: ID! @primaryKey }\n');
    const auth = `auth:\n  users: true\n  jwt:\n    secret: ${SECRET}\n${below}`;
    writeFileSync(join(dir, 'config.yaml'), `app_id: my-app\ndata_dir: .\n${auth}${config}`);
    const reused: string[] = [];
    const { open, tokens } = await openFolder(dir, (user) => reused.push(user));
    return new TestAccounts(dir, tokens, open, reused);
  }

  [Symbol.dispose](): void {
    this.open.close();
    rmSync(this.dir, { recursive: true });
  }
}
