import { mkdirSync } from 'node:fs';
import { claimProblem, rolesProblem } from '../../auth/policy/account-rules.ts';
import { readApplications } from '../../config/applications.ts';
import type { AppConfig } from '../../config/config.ts';
import { withoutSecrets } from '../../config/files/interpolate.ts';
import { Report } from '../../config/files/report.ts';
import type { AccountStore, Claims } from '../../store/accounts.ts';
import { loadEngine } from '../../store/index.ts';
import type { Invocation } from '../commands.ts';
import { CommandError, describeFailure } from '../failure.ts';
import { type Call, UsageError } from '../options.ts';

/** Milliseconds that a command waits for a write of the server. */
const MAX_BUSY_MS = 5000;

interface Work {
  readonly store: AccountStore;
  readonly app: AppConfig;
}

/** Runs `work` on the accounts of the application in `dir`, while its server runs or not. Resolves with the exit code. */
export async function withAccounts(
  { dir }: Pick<Call, 'dir'>,
  env: Invocation['env'],
  work: (context: Work) => Promise<void> | void,
): Promise<number> {
  try {
    const app = loadApp(dir, env);
    mkdirSync(app.dataDir, { recursive: true });
    const store = await (await loadEngine(app)).openAccounts({ dir: app.dataDir, busyTimeout: MAX_BUSY_MS });
    try {
      await work({ store, app });
    } finally {
      await store.close();
    }
    return 0;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return 1;
  }
}

function loadApp(dir: string, env: Invocation['env']): AppConfig {
  const report = new Report();
  const apps = readApplications(dir, { env: withoutSecrets(env), report })?.apps ?? [];
  report.throwIfAny();
  const [app, another] = apps;
  if (app !== undefined && another === undefined) return app;
  const names = apps.map(({ dir }) => dir).join(', ');
  throw new CommandError(`${dir} has several applications; name the folder of one: ${names}`);
}

/** Writes a sentence to stderr: stdout has only results. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes a note where the configuration does not use the users or keys yet. */
export function warnIfUnused({ auth }: AppConfig, what: 'users' | 'keys'): void {
  if (auth === undefined || auth === 'none')
    say('Note: config.yaml has no `auth`: authentication is off, and every caller is anonymous.');
  else if (what === 'users' && !auth.users) say('Note: users cannot log in until config.yaml has `auth.users: true`.');
}

/** The values of `--role`, each once. Throws UsageError. */
export function readRoles({ role }: Call['values']): string[] {
  const roles = [...new Set((role as string[] | undefined) ?? [])];
  const problem = rolesProblem(roles);
  if (problem !== undefined) throw new UsageError(problem);
  return roles;
}

/** The values of `--claim name=value`. Throws UsageError. */
export function readClaims({ claim }: Call['values']): Claims {
  const claims: Record<string, string> = {};
  for (const text of (claim as string[] | undefined) ?? []) {
    const at = text.indexOf('=');
    if (at < 0) throw new UsageError(`--claim "${text}" is not name=value`);
    const name = text.slice(0, at);
    const problem = Object.hasOwn(claims, name) ? `claim "${name}" is given twice` : claimProblem(name);
    if (problem !== undefined) throw new UsageError(problem);
    claims[name] = text.slice(at + 1);
  }
  return claims;
}

/** A table of text with aligned columns. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function formatTime(time: number): string {
  return new Date(time).toISOString().replace(/\.\d{3}Z$/, 'Z');
}

export function formatList(items: readonly string[]): string {
  return items.length === 0 ? '-' : items.join(',');
}

export function formatClaims(claims: Claims): string {
  return formatList(
    Object.entries(claims).map(
      ([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ),
  );
}
