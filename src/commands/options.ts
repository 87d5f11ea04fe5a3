import { type ParseArgsConfig, parseArgs } from 'node:util';
import { suggest } from '../config/files/suggest.ts';

/** An error in the command line itself: exit code 2. */
export class UsageError extends Error {}

/** Every option of the program. `value` names the value in `--help`. */
export const OPTIONS = {
  'allow-destructive': {
    type: 'string',
    value: '[names]',
    what: 'allow the schema changes with these names to lose data: Card.title,Old; without names it asks',
  },
  host: {
    type: 'string',
    value: '[address]',
    what: 'listen on this address instead of that in config.yaml, without one on all; prints a QR code for phones',
  },
  port: {
    type: 'string',
    value: '<number>',
    what: 'listen on this port instead of that in config.yaml; 0: any free port',
  },
  json: { type: 'boolean', what: 'print JSON for programs instead of text, also at a terminal' },
  role: { type: 'string', value: '<name>', multiple: true, what: 'a role of the user or key; may be repeated' },
  claim: { type: 'string', value: '<name=value>', multiple: true, what: 'a claim of the user or key; may be repeated' },
  sub: { type: 'string', value: '<id>', what: 'the subject of the key: the id of a user, or a name of your own' },
  as: {
    type: 'string',
    value: '<claims>',
    what: 'list what this caller may do, and by which rule: sub=u1,roles=editor,roles=cook,org=o1, or anonymous',
  },
  client: { type: 'string', value: '<file>', what: 'write the types for the client to this file' },
  out: { type: 'string', value: '<file>', what: 'write to this file; with --all to this folder' },
  table: { type: 'string', value: '<name>', what: 'the table; for an import by default the name of the file' },
  all: { type: 'boolean', what: 'all tables, each in a file of its own' },
  filter: { type: 'string', value: '<query>', what: 'only records that match, as in the URL of a list: done==true' },
  format: { type: 'string', value: '<name>', what: 'ndjson, csv or json; by default what the file ends with' },
  mode: {
    type: 'string',
    value: '<name>',
    what: 'create new records, upsert (create or replace), or patch (change some fields); by default create',
  },
  map: {
    type: 'string',
    value: '<name=field>',
    multiple: true,
    what: 'a name in the file and the field that it is for; may be repeated',
  },
  'on-error': {
    type: 'string',
    value: '<name>',
    what: 'stop at a record that is refused, or skip it; by default stop',
  },
  'dry-run': { type: 'boolean', what: 'check the records and write nothing' },
  reset: { type: 'boolean', what: 'remove every record first' },
  generate: { type: 'string', value: '<number>', what: 'make this many records of each table' },
  'random-seed': { type: 'string', value: '<number>', what: 'seed of the generated records, an integer; by default 1' },
  to: { type: 'string', value: '<file>', what: 'the file to write, which must not exist' },
  check: { type: 'boolean', what: 'write nothing; exit code 1 when the file is not up to date' },
  watch: { type: 'boolean', what: 'keep running, and write again after every change of the schema' },
  token: { type: 'string', value: '<token>', what: 'a token or API key that may read and write the table' },
  field: { type: 'string', value: '<name>', what: 'a string field of the table that is not unique' },
  data: { type: 'string', value: '<json>', what: 'values that a record of the table needs, as a JSON object' },
  template: { type: 'string', value: '<name>', what: 'the template: minimal, chat, board or react' },
  at: { type: 'string', value: '<position>', what: 'the records as they were at this position of the log' },
  yes: { type: 'boolean', what: 'ask nothing, and use the defaults' },
  force: { type: 'boolean', what: 'use a folder that is not empty; its files are kept' },
  'no-install': { type: 'boolean', what: 'do not install the packages' },
  'password-stdin': { type: 'boolean', what: 'read the password from the first line of stdin' },
} as const satisfies Readonly<Record<string, Option>>;

interface Option {
  readonly type: 'string' | 'boolean';
  readonly value?: string;
  readonly multiple?: true;
  readonly what: string;
}

export type OptionName = keyof typeof OPTIONS;

export interface Arguments {
  /** The application folder. */
  readonly dir: string;
  /** Names of schema changes; `ask` where the option has no names. */
  readonly allowDestructive: readonly string[] | 'ask';
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** `json` for the option; undefined leaves it to config.yaml. */
  readonly logFormat: 'json' | undefined;
}

export interface Call {
  /** The operands before the folder, as many as the command has. */
  readonly operands: readonly string[];
  /** The application folder. */
  readonly dir: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Parses the options of the command; everything else is an operand. Throws UsageError. */
export function parseWords(args: readonly string[], allowed: readonly OptionName[]): ReturnType<typeof parse> {
  const options = Object.fromEntries(
    allowed.map((name) => [name, { type: OPTIONS[name].type, multiple: 'multiple' in OPTIONS[name] }]),
  );
  return parse({ args: attachValues(args, allowed), options, allowPositionals: true });
}

/** Parses the operands with these names, then `[dir]`, and the options of the command. Throws UsageError. */
export function parseCall(
  args: readonly string[],
  { options: allowed, operands: names = [] }: { options: readonly OptionName[]; operands?: readonly string[] },
): Call {
  const { values, positionals } = parseWords(args, allowed);
  const operands = positionals.slice(0, names.length);
  const missing = names[operands.length];
  if (missing !== undefined) throw new UsageError(`${missing} is needed`);
  const [dir = '.', extra] = positionals.slice(names.length);
  if (extra !== undefined) throw new UsageError(`unexpected "${extra}": only one folder can be named`);
  return { operands, dir, values };
}

/** Parses `[dir]` and the options of the command. Throws UsageError. */
export function parseArguments(args: readonly string[], allowed: readonly OptionName[]): Arguments {
  const { dir, values } = parseCall(args, { options: allowed });
  return {
    dir,
    allowDestructive: readNames(values['allow-destructive']),
    host: typeof values.host === 'string' ? values.host || ALL_ADDRESSES : undefined,
    port: typeof values.port === 'string' ? readPort(values.port) : undefined,
    logFormat: values.json === true ? 'json' : undefined,
  };
}

const ALLOW_DESTRUCTIVE = '--allow-destructive';
/** Value of `--host` without an address. */
const ALL_ADDRESSES = '0.0.0.0';

/** Attaches the word after an option as its value, where it may have none: the library has no such options. */
function attachValues(args: readonly string[], names: readonly OptionName[]): string[] {
  const optional = names.filter((name) => isOptional(OPTIONS[name])).map((name) => `--${name}`);
  const attached: string[] = [];
  for (const word of args) {
    const last = attached.at(-1) ?? '';
    const takesWord = last.endsWith('=') && optional.includes(last.slice(0, -1)) && !word.startsWith('-');
    if (takesWord) attached[attached.length - 1] = last + word;
    else attached.push(optional.includes(word) ? `${word}=` : word);
  }
  return attached;
}

function isOptional(option: Option): boolean {
  return option.value?.startsWith('[') === true;
}

function readNames(value: unknown): readonly string[] | 'ask' {
  if (typeof value !== 'string') return [];
  if (value === '') return 'ask';
  const names = value.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !CHANGE_NAME.test(name));
  if (wrong === undefined) return names;
  throw new UsageError(
    `${ALLOW_DESTRUCTIVE} "${wrong}" is not the name of a change, which is Type.field or Type; write the folder before the option`,
  );
}

/** A field, a type, or a type with its database where two types have the same name. */
const CHANGE_NAME = /^[A-Za-z_][\w-]*(?:\.\w+)?$/;

function parse(config: ParseArgsConfig): { values: Record<string, unknown>; positionals: readonly string[] } {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError) || !('code' in error)) throw error;
    throw new UsageError(describe(error.message, Object.keys(config.options ?? {})));
  }
}

/** The first sentence of Node's message: the others are about calling the parser. */
function describe(message: string, names: readonly string[]): string {
  const unknown = /^Unknown option '(-+)([^']*)'/.exec(message);
  if (unknown === null) return message.split(/(?<=[^.])\. /)[0] ?? message;
  const [, dashes = '', name = ''] = unknown;
  const near = suggest(name, names, '--');
  return `unknown option "${dashes}${name}"${near === undefined ? '' : `; ${near}`}`;
}

function readPort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new UsageError(`--port "${text}" is not a port: write a number from 0 to 65535`);
}
