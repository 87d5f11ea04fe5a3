import { v7 as uuidv7 } from 'uuid';
import { Passwords } from '../../auth/accounts/passwords.ts';
import { nameProblem, passwordProblem } from '../../auth/policy/account-rules.ts';
import type { AccountStore, User } from '../../store/accounts.ts';
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
import { readPassword } from './password-input.ts';

const OPERANDS = ["the user's name"];

/** `tablecast user add`: prints the new user's id. */
export function addUser({ args, env }: Invocation): Promise<number> {
  const call = parseCall(args, { options: ['role', 'claim', 'password-stdin'], operands: OPERANDS });
  const [name = ''] = call.operands;
  const problem = nameProblem(name);
  if (problem !== undefined) throw new UsageError(`the name ${problem}`);
  const roles = readRoles(call.values);
  const claims = readClaims(call.values);
  return withAccounts(call, env, async ({ store, app }) => {
    // Checked before the password is asked for.
    if ((await store.userByName(name)) !== undefined) throw new CommandError(`a user "${name}" exists already`);
    const password = await newPassword(call.values['password-stdin'] === true);
    const id = uuidv7();
    await store.addUser({ id, name, password, roles, claims, disabled: false, created: Date.now() });
    process.stdout.write(`${id}\n`);
    warnIfUnused(app, 'users');
  });
}

/** `tablecast user passwd`. */
export function changePassword({ args, env }: Invocation): Promise<number> {
  const call = parseCall(args, { options: ['password-stdin'], operands: OPERANDS });
  return withAccounts(call, env, async ({ store }) => {
    const user = await find(store, call.operands);
    await store.setPassword(user.id, await newPassword(call.values['password-stdin'] === true));
    say(`The password of ${user.name} is changed, and the logins of the user have ended.`);
  });
}

/** `tablecast user role`: sets exactly the roles on the command line. */
export function setRoles({ args, env }: Invocation): Promise<number> {
  const call = parseCall(args, { options: ['role'], operands: OPERANDS });
  const roles = readRoles(call.values);
  return withAccounts(call, env, async ({ store }) => {
    const user = await find(store, call.operands);
    await store.setRoles(user.id, roles);
    say(`${user.name}: roles were ${formatList(user.roles)}, are ${formatList(roles)}`);
  });
}

/** `tablecast user disable`. */
export function disable({ args, env }: Invocation): Promise<number> {
  return setDisabled(args, env, true);
}

/** `tablecast user enable`. */
export function enable({ args, env }: Invocation): Promise<number> {
  return setDisabled(args, env, false);
}

function setDisabled(args: Invocation['args'], env: Invocation['env'], disabled: boolean): Promise<number> {
  const call = parseCall(args, { options: [], operands: OPERANDS });
  return withAccounts(call, env, async ({ store }) => {
    const user = await find(store, call.operands);
    await store.setDisabled(user.id, disabled);
    say(`${user.name} is ${disabled ? 'disabled' : 'enabled'}`);
  });
}

/** `tablecast user list`. */
export function listUsers({ args, env }: Invocation): Promise<number> {
  return withAccounts(parseCall(args, { options: [] }), env, async ({ store }) => {
    const rows = (await store.users()).map(({ name, id, roles, claims, disabled, created }) => {
      return [
        name,
        id,
        formatList(roles),
        formatClaims(claims),
        disabled ? 'disabled' : 'enabled',
        formatTime(created),
      ];
    });
    process.stdout.write(`${formatTable([['NAME', 'ID', 'ROLES', 'CLAIMS', 'STATE', 'CREATED'], ...rows])}\n`);
  });
}

async function find(store: AccountStore, [name = '']: readonly string[]): Promise<User> {
  const user = await store.userByName(name);
  if (user === undefined) throw new CommandError(`there is no user "${name}"; tablecast user list prints the names`);
  return user;
}

async function newPassword(fromStdin: boolean): Promise<string> {
  const password = await readPassword(fromStdin);
  const problem = passwordProblem(password);
  if (problem !== undefined) throw new CommandError(`the password ${problem}`);
  return new Passwords(1).hash(password);
}
