import { suggest } from '../config/files/suggest.ts';
import { COMMANDS, type Command } from './commands.ts';
import { UsageError } from './options.ts';

const FLAGS: Readonly<Record<string, string>> = {
  '--help': 'help',
  '-h': 'help',
  '--version': 'version',
  '-v': 'version',
};
const USAGE_EXIT = 2;

/** Runs the command that the arguments name; resolves with the exit code. */
export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const [name, rest] = findCommand(args);
    const run = await name.load();
    return await run({ args: rest, env });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`tablecast: ${error.message}\nSee: tablecast help\n`);
    return USAGE_EXIT;
  }
}

function findCommand(args: readonly string[]): [command: Command, rest: readonly string[]] {
  const [first, ...rest] = args;
  if (first === undefined) throw new UsageError('a command is needed');
  // `tablecast start --help` asks for help, too.
  const flag = FLAGS[first] ?? rest.map((arg) => FLAGS[arg]).find((found) => found === 'help');
  const group = membersOf(first);
  if (flag === undefined && group.length > 0) return findMember(first, group, rest);
  const name = flag ?? first;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) return [command, flag === undefined ? rest : []];
  const words = Object.keys(COMMANDS).map((words) => words.split(' ', 1)[0] as string);
  const near = suggest(first, first.startsWith('-') ? Object.keys(FLAGS) : words);
  const kind = first.startsWith('-') ? 'option' : 'command';
  throw new UsageError(`unknown ${kind} "${first}"${near === undefined ? '' : `; ${near}`}`);
}

/** The second words of commands that begin with this one: `add` of `user add`. */
function membersOf(first: string): string[] {
  return Object.keys(COMMANDS).flatMap((words) => (words.startsWith(`${first} `) ? words.slice(first.length + 1) : []));
}

function findMember(
  first: string,
  group: readonly string[],
  [second, ...rest]: readonly string[],
): [command: Command, rest: readonly string[]] {
  const command = second !== undefined && group.includes(second) ? COMMANDS[`${first} ${second}`] : undefined;
  if (command !== undefined) return [command, rest];
  if (second === undefined) throw new UsageError(`${first} needs one of ${group.join(', ')}`);
  const near = suggest(second, group) ?? `${first} has ${group.join(', ')}`;
  throw new UsageError(`unknown command "${first} ${second}"; ${near}`);
}
