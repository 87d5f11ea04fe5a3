import { type ParseArgsConfig, parseArgs } from 'node:util';
import { suggest } from '../config/files/suggest.ts';

/** A mistake in the command line itself: exit code 2. */
export class UsageError extends Error {}

/** What each option means; also for `help`. */
export const OPTIONS = {
  'allow-destructive': {
    type: 'string',
    what: 'names of changes of the schema that may lose data: Card.title,Old; without names it asks (make a copy first)',
  },
  host: { type: 'string', what: 'address to listen on, instead of that of config.yaml' },
  port: { type: 'string', what: 'port to listen on, instead of that of config.yaml; 0 takes a free one' },
  role: { type: 'string', multiple: true, what: 'a role of the user or key; may be repeated' },
  claim: { type: 'string', multiple: true, what: 'name=value, a claim of the user or key; may be repeated' },
  sub: { type: 'string', what: 'whom the key stands for: the id of a user, or a name of your own' },
  out: { type: 'string', what: 'the file for declarations, instead of tablecast-env.d.ts in the application folder' },
  check: { type: 'boolean', what: 'write nothing, and end with exit code 1 when the file is not up to date' },
  template: { type: 'string', what: 'the template: minimal, chat or board' },
  yes: { type: 'boolean', what: 'ask nothing, and use the defaults' },
  force: { type: 'boolean', what: 'add the files that are missing to a folder that is not empty' },
  'no-install': { type: 'boolean', what: 'do not install the packages' },
  'password-stdin': { type: 'boolean', what: 'read the password from the first line of stdin' },
} as const;

export type OptionName = keyof typeof OPTIONS;

export interface Arguments {
  /** The application folder. */
  readonly dir: string;
  /** Names of steps; `ask` where the option has none. */
  readonly allowDestructive: readonly string[] | 'ask';
  readonly host: string | undefined;
  readonly port: number | undefined;
}

export interface Call {
  /** As many as the command has. */
  readonly operands: readonly string[];
  /** The application folder. */
  readonly dir: string;
  readonly values: Readonly<Record<string, unknown>>;
}

/** Reads those options that the command has, and everything else as operands. Throws UsageError. */
export function parseWords(args: readonly string[], allowed: readonly OptionName[]): ReturnType<typeof parse> {
  const options = Object.fromEntries(
    allowed.map((name) => [name, { type: OPTIONS[name].type, multiple: 'multiple' in OPTIONS[name] }]),
  );
  return parse({ args: attachNames(args), options, allowPositionals: true });
}

/** Reads the operands by their names, `[dir]`, and those options that the command has. Throws UsageError. */
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

/** Reads `[dir]` and those options that the command has. Throws UsageError with a sentence for people. */
export function parseArguments(args: readonly string[], allowed: readonly OptionName[]): Arguments {
  const { dir, values } = parseCall(args, { options: allowed });
  return {
    dir,
    allowDestructive: readNames(values['allow-destructive']),
    host: typeof values.host === 'string' ? values.host : undefined,
    port: typeof values.port === 'string' ? readPort(values.port) : undefined,
  };
}

const ALLOWING = '--allow-destructive';

/** The names after the option are its value; the library knows no option whose value may be left out. */
function attachNames(args: readonly string[]): string[] {
  const index = args.indexOf(ALLOWING);
  if (index < 0) return [...args];
  const next = args[index + 1];
  const hasNames = next !== undefined && !next.startsWith('-');
  const rest = args.slice(index + (hasNames ? 2 : 1));
  return [...args.slice(0, index), `${ALLOWING}=${hasNames ? next : ''}`, ...rest];
}

function readNames(value: unknown): readonly string[] | 'ask' {
  if (typeof value !== 'string') return [];
  if (value === '') return 'ask';
  const names = value.split(',').map((name) => name.trim());
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong === undefined) return names;
  throw new UsageError(
    `${ALLOWING} "${wrong}" is not the name of a change, which is Type.field or Type; write the folder before the option`,
  );
}

/** A field, a type, or a type that had its database named because two had the same name. */
const NAME = /^[A-Za-z_][\w-]*(?:\.\w+)?$/;

function parse(config: ParseArgsConfig): { values: Record<string, unknown>; positionals: readonly string[] } {
  try {
    return parseArgs(config);
  } catch (error) {
    if (!(error instanceof TypeError) || !('code' in error)) throw error;
    throw new UsageError(describe(error.message, Object.keys(config.options ?? {})));
  }
}

/** Node's sentences also speak of how to write the parser. */
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
