import type { OptionName } from './options.ts';

/** Command of the program. Its code is loaded when the command runs. */
export interface Command {
  /** The operands, as in `--help`. */
  readonly operands: string;
  /** Line in the list of commands. */
  readonly what: string;
  /** Further advice for `--help`. */
  readonly details?: string;
  readonly options: readonly OptionName[];
  /** Meanings of options that this command understands in its own way. */
  readonly meanings?: Readonly<Partial<Record<OptionName, string>>>;
  /** Without the name of the program. */
  readonly examples: readonly string[];
  /** Resolves with a function that resolves with the exit code, or while the program goes on. */
  load(): Promise<(invocation: Invocation) => Promise<number> | number>;
}

export interface Invocation {
  /** The arguments after the command's name. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

const APPLICATIONS: Readonly<Record<string, Command>> = {
  init: {
    operands: '[dir] [template]',
    what: 'create an application from a template',
    details: 'At a terminal it asks for what is missing. The templates are minimal, chat, board and react.',
    options: ['template', 'yes', 'force', 'no-install'],
    examples: ['init my-app', 'init my-app chat', 'init . --force --no-install'],
    load: async () => (await import('./init/init.ts')).init,
  },
  dev: {
    operands: '[dir]',
    what: 'serve an application, and restart the server when its files change',
    details:
      'After an error in a file the server keeps running as it was, and after one that code throws later; when it ends, it starts again.',
    options: ['port', 'host', 'json', 'allow-destructive'],
    examples: ['dev', 'dev my-app --port 8080', 'dev --host'],
    load: async () => (await import('./dev/dev.ts')).dev,
  },
  start: {
    operands: '[dir]',
    what: 'serve an application, or every application in the folders of a folder',
    options: ['port', 'host', 'json', 'allow-destructive'],
    examples: ['start', 'start my-app --port 8080', 'start apps --allow-destructive Card.title'],
    load: async () => (await import('./start.ts')).start,
  },
  check: {
    operands: '[dir]',
    what: 'report errors in schema, configuration and code, or list what would be served',
    options: ['as'],
    examples: ['check', 'check my-app', 'check my-app --as sub=u1,roles=editor'],
    load: async () => (await import('./check.ts')).check,
  },
  types: {
    operands: '[dir]',
    what: 'write TypeScript declarations of the tables, for code, pages and editors',
    details:
      'Writes tablecast-env.d.ts for routes and hooks, tablecast-client.d.ts for tablecast/client, and tablecast.graphql for editors.',
    options: ['out', 'client', 'check', 'watch'],
    meanings: { out: 'write the types for routes and hooks to this file' },
    examples: ['types', 'types my-app --check', 'types my-app --client web/src/tablecast.d.ts --watch'],
    load: async () => (await import('./types/types.ts')).types,
  },
};

const DATA: Readonly<Record<string, Command>> = {
  seed: {
    operands: '[dir]',
    what: 'write the records in the folder seed and in seed.ts, or generated ones',
    details: 'Records are written by their keys: a second run changes nothing. A running server makes the writes.',
    options: ['generate', 'random-seed', 'reset', 'yes'],
    examples: ['seed', 'seed my-app --reset', 'seed --generate 1000 --random-seed 7'],
    load: async () => (await import('./records/seed/seed.ts')).seed,
  },
  import: {
    operands: '<file> [dir]',
    what: 'write the records of a file, or of a folder of files, to tables',
    details:
      'Run it again after a crash: it continues where it stopped. Exit code 1: some records were refused, each with a line of JSON on stderr; 2: other errors.',
    options: ['table', 'mode', 'format', 'map', 'on-error', 'dry-run'],
    examples: ['import Task.ndjson', 'import people.csv my-app --table Person --mode upsert --map Name=name'],
    load: async () => (await import('./records/import.ts')).importRecords,
  },
  export: {
    operands: '[dir]',
    what: 'write the records of a table, or of all, as they are at one position',
    options: ['table', 'all', 'filter', 'format', 'out', 'at'],
    meanings: { table: 'the table' },
    examples: [
      'export --table Task',
      'export my-app --all --out copy',
      'export --table Task --filter done==true --format csv',
      'export --table Task --at 1764504000000000',
    ],
    load: async () => (await import('./records/export.ts')).exportRecords,
  },
  backup: {
    operands: '[dir]',
    what: 'write all databases of an application into one file, also while the server runs',
    options: ['to'],
    examples: ['backup', 'backup my-app --to backups/monday.backup'],
    load: async () => (await import('./records/backup.ts')).backup,
  },
  restore: {
    operands: '<file> [dir]',
    what: 'put the databases of a backup in place; the server must not run',
    details: '--force replaces existing databases; they are kept in a folder next to them.',
    options: ['force'],
    meanings: { force: 'replace the databases that are there; they are kept' },
    examples: ['restore monday.backup', 'restore monday.backup my-app --force'],
    load: async () => (await import('./records/backup.ts')).restore,
  },
  'migrate plan': {
    operands: '[dir]',
    what: 'list what the next start changes in the stored data, and what loses values',
    details:
      'Exit code 0: nothing to do; 3: steps that keep every value; 4: steps that have to be allowed; 1: not possible.',
    options: ['json'],
    examples: ['migrate plan', 'migrate plan my-app --json'],
    load: async () => (await import('./migrate/plan.ts')).plan,
  },
  'migrate apply': {
    operands: '[dir]',
    what: 'change the stored data as the schema says, without serving it',
    details: 'At a terminal it asks for each step that loses values and is not named.',
    options: ['allow-destructive'],
    examples: ['migrate apply', 'migrate apply my-app --allow-destructive Card.title'],
    load: async () => (await import('./migrate/apply.ts')).apply,
  },
};

const USERS: Readonly<Record<string, Command>> = {
  'user add': {
    operands: '<name> [dir]',
    what: 'add a user; asks for the password',
    options: ['role', 'claim', 'password-stdin'],
    examples: ['user add ada --role editor', 'user add ada my-app --claim accountId=acme'],
    load: async () => (await import('./accounts/user.ts')).addUser,
  },
  'user passwd': {
    operands: '<name> [dir]',
    what: "change a user's password, which ends their logins",
    options: ['password-stdin'],
    examples: ['user passwd ada'],
    load: async () => (await import('./accounts/user.ts')).changePassword,
  },
  'user role': {
    operands: '<name> [dir]',
    what: 'set the roles of a user; without --role the user has none',
    options: ['role'],
    examples: ['user role ada --role editor --role reviewer'],
    load: async () => (await import('./accounts/user.ts')).setRoles,
  },
  'user disable': {
    operands: '<name> [dir]',
    what: 'disable a user: logins fail, and open connections end',
    options: [],
    examples: ['user disable ada'],
    load: async () => (await import('./accounts/user.ts')).disable,
  },
  'user enable': {
    operands: '<name> [dir]',
    what: 'enable a disabled user',
    options: [],
    examples: ['user enable ada'],
    load: async () => (await import('./accounts/user.ts')).enable,
  },
  'user list': {
    operands: '[dir]',
    what: 'list the users with their ids, roles and claims',
    options: [],
    examples: ['user list'],
    load: async () => (await import('./accounts/user.ts')).listUsers,
  },
};

const KEYS: Readonly<Record<string, Command>> = {
  'key create': {
    operands: '<name> [dir]',
    what: 'create an API key, which is printed once',
    options: ['role', 'claim', 'sub'],
    examples: ['key create ci --role writer'],
    load: async () => (await import('./accounts/key.ts')).createKey,
  },
  'key revoke': {
    operands: '<id> [dir]',
    what: 'revoke an API key',
    options: [],
    examples: ['key revoke k3m9x2pq'],
    load: async () => (await import('./accounts/key.ts')).revokeKey,
  },
  'key list': {
    operands: '[dir]',
    what: 'list the API keys without their secrets',
    options: [],
    examples: ['key list'],
    load: async () => (await import('./accounts/key.ts')).listKeys,
  },
};

const PROGRAM: Readonly<Record<string, Command>> = {
  conformance: {
    operands: '<url>',
    what: 'check a running server, of any implementation, against protocol v1',
    details:
      'It writes and removes records of one table: the first that fits, or that of --table and --field. Exit code 1 when a rule is broken.',
    options: ['token', 'table', 'field', 'data'],
    meanings: { table: 'the table, by its export name' },
    examples: [
      'conformance http://localhost:9996/my-app',
      'conformance https://api.example.com/shop --token $TOKEN --table Note --field text',
    ],
    load: async () => (await import('./conformance/conformance.ts')).conformance,
  },
  help: {
    operands: '[command]',
    what: 'list the commands, or explain one',
    options: [],
    examples: ['help start'],
    load: async () => (await import('./help.ts')).help,
  },
  version: {
    operands: '',
    what: 'print the version of the program',
    options: [],
    examples: ['version'],
    load: async () => (await import('./summary.ts')).version,
  },
};

/** Groups of the list that `tablecast help` prints. */
export const COMMAND_GROUPS: Readonly<Record<string, Readonly<Record<string, Command>>>> = {
  Applications: APPLICATIONS,
  Data: DATA,
  Users: USERS,
  'API keys': KEYS,
  Program: PROGRAM,
};

/** The commands by their names of one word, or two. */
export const COMMANDS: Readonly<Record<string, Command>> = { ...APPLICATIONS, ...DATA, ...USERS, ...KEYS, ...PROGRAM };

/** The second words of commands that begin with this one: `add` of `user add`. */
export function subcommandsOf(first: string): string[] {
  return Object.keys(COMMANDS).flatMap((words) => (words.startsWith(`${first} `) ? words.slice(first.length + 1) : []));
}
