import type { OptionName } from './options.ts';

/** One command of the program. Its code is loaded when it is run: none waits for what another one needs. */
export interface Command {
  /** What it takes, as shown by `help`. */
  readonly usage: string;
  readonly what: string;
  readonly options: readonly OptionName[];
  /** Resolves with the exit code, or when the program is to go on without it. */
  load(): Promise<(invocation: Invocation) => Promise<number> | number>;
}

export interface Invocation {
  /** Without the command's name. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** By what is written to run them: one word, or two. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  init: {
    usage: 'init [dir] [template] [--template t] [--yes] [--force] [--no-install]',
    what: 'create an application from a template: minimal, chat or board',
    options: ['template', 'yes', 'force', 'no-install'],
    load: async () => (await import('./init/init.ts')).init,
  },
  start: {
    usage: 'start [dir] [--allow-destructive [names]] [--port n] [--host h]',
    what: 'serve the application in the folder (or every application in its folders)',
    options: ['allow-destructive', 'port', 'host'],
    load: async () => (await import('./start.ts')).start,
  },
  dev: {
    usage: 'dev [dir] [--allow-destructive [names]] [--port n] [--host h]',
    what: 'serve it, and again whenever its schema, configuration or code changes',
    options: ['allow-destructive', 'port', 'host'],
    load: async () => (await import('./dev/dev.ts')).dev,
  },
  check: {
    usage: 'check [dir]',
    what: 'say what is wrong with schema and configuration, or what they amount to',
    options: [],
    load: async () => (await import('./check.ts')).check,
  },
  types: {
    usage: 'types [dir] [--out file] [--check]',
    what: 'write TypeScript declarations of the tables, for routes and hooks',
    options: ['out', 'check'],
    load: async () => (await import('./types/types.ts')).types,
  },
  'user add': {
    usage: 'user add <name> [dir] [--role r]... [--claim k=v]... [--password-stdin]',
    what: 'add a user; asks for the password',
    options: ['role', 'claim', 'password-stdin'],
    load: async () => (await import('./accounts/user.ts')).addUser,
  },
  'user passwd': {
    usage: 'user passwd <name> [dir] [--password-stdin]',
    what: 'give a user another password, which ends its logins',
    options: ['password-stdin'],
    load: async () => (await import('./accounts/user.ts')).changePassword,
  },
  'user role': {
    usage: 'user role <name> [dir] [--role r]...',
    what: 'give a user exactly these roles',
    options: ['role'],
    load: async () => (await import('./accounts/user.ts')).setRoles,
  },
  'user disable': {
    usage: 'user disable <name> [dir]',
    what: 'lock a user out, also where it is logged in',
    options: [],
    load: async () => (await import('./accounts/user.ts')).disable,
  },
  'user enable': {
    usage: 'user enable <name> [dir]',
    what: 'let it in again',
    options: [],
    load: async () => (await import('./accounts/user.ts')).enable,
  },
  'user list': {
    usage: 'user list [dir]',
    what: 'the users, with their ids, roles and claims',
    options: [],
    load: async () => (await import('./accounts/user.ts')).listUsers,
  },
  'key create': {
    usage: 'key create <name> [dir] [--role r]... [--claim k=v]... [--sub s]',
    what: 'make an API key, which is shown this once',
    options: ['role', 'claim', 'sub'],
    load: async () => (await import('./accounts/key.ts')).createKey,
  },
  'key revoke': {
    usage: 'key revoke <id> [dir]',
    what: 'end an API key at once',
    options: [],
    load: async () => (await import('./accounts/key.ts')).revokeKey,
  },
  'key list': {
    usage: 'key list [dir]',
    what: 'the API keys, without their secrets',
    options: [],
    load: async () => (await import('./accounts/key.ts')).listKeys,
  },
  help: {
    usage: 'help',
    what: 'this text',
    options: [],
    load: async () => (await import('./help.ts')).help,
  },
  version: {
    usage: 'version',
    what: 'the version of the program',
    options: [],
    load: async () => (await import('./version.ts')).version,
  },
};
