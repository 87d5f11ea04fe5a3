import { KEY_FORM, makeSecret } from '../../auth/credentials/secrets.ts';
import { nameProblem } from '../../auth/policy/account-rules.ts';
import type { Invocation } from '../commands.ts';
import { CommandError } from '../failure.ts';
import { parseCall, UsageError } from '../options.ts';
import {
  formatClaims,
  formatList,
  formatTable,
  formatTime,
  readClaims,
  readRoles,
  say,
  warnIfUnused,
  withAccounts,
} from './accounts.ts';

/** `tablecast key create`: prints the key alone to stdout. */
export function createKey({ args, env }: Invocation): Promise<number> {
  const call = parseCall(args, { options: ['role', 'claim', 'sub'], operands: ['a name for the key'] });
  const [name = ''] = call.operands;
  const problem = nameProblem(name);
  if (problem !== undefined) throw new UsageError(`the name ${problem}`);
  const roles = readRoles(call.values);
  const claims = readClaims(call.values);
  const written = readSub(call.values.sub);
  return withAccounts(call, env, async ({ store, app }) => {
    const { id, hash, text } = makeSecret(KEY_FORM);
    const sub = written ?? `key:${id}`;
    await store.addKey({ id, hash, name, sub, roles, claims, created: Date.now(), revoked: undefined });
    process.stdout.write(`${text}\n`);
    say(`This key is printed only once. To revoke it: tablecast key revoke ${id}`);
    warnIfUnused(app, 'keys');
  });
}

/** `tablecast key revoke`. */
export function revokeKey({ args, env }: Invocation): Promise<number> {
  const call = parseCall(args, { options: [], operands: ["the key's id"] });
  return withAccounts(call, env, async ({ store }) => {
    const id = idOf(call.operands[0] ?? '');
    const key = await store.key(id);
    if (key === undefined) throw new CommandError(`there is no key "${id}"; tablecast key list prints the ids`);
    if (!(await store.revokeKey(id, Date.now())))
      throw new CommandError(`the key "${id}" (${key.name}) is revoked already`);
    say(`The key ${id} (${key.name}) is revoked.`);
  });
}

/** `tablecast key list`. */
export function listKeys({ args, env }: Invocation): Promise<number> {
  return withAccounts(parseCall(args, { options: [] }), env, async ({ store }) => {
    const rows = (await store.keys()).map(({ id, name, sub, roles, claims, created, revoked }) => {
      const state = revoked === undefined ? 'active' : `revoked ${formatTime(revoked)}`;
      return [id, name, sub, formatList(roles), formatClaims(claims), formatTime(created), state];
    });
    process.stdout.write(`${formatTable([['ID', 'NAME', 'SUB', 'ROLES', 'CLAIMS', 'CREATED', 'STATE'], ...rows])}\n`);
  });
}

/** The id of a whole key, of which nothing else is used or printed; or the id itself. */
function idOf(written: string): string {
  return written.startsWith(`${KEY_FORM.prefix}_`) ? (written.split('_')[1] ?? '') : written;
}

function readSub(sub: unknown): string | undefined {
  if (typeof sub !== 'string') return undefined;
  const problem = nameProblem(sub);
  if (problem !== undefined) throw new UsageError(`--sub ${problem}`);
  return sub;
}
