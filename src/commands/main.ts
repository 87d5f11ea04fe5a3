import { suggest } from '../config/suggest.ts';
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
  const name = flag ?? first;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command !== undefined) return [command, flag === undefined ? rest : []];
  const near = suggest(first, first.startsWith('-') ? Object.keys(FLAGS) : Object.keys(COMMANDS));
  const kind = first.startsWith('-') ? 'option' : 'command';
  throw new UsageError(`unknown ${kind} "${first}"${near === undefined ? '' : `; ${near}`}`);
}
