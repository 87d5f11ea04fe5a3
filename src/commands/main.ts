import { suggest } from '../config/files/suggest.ts';
import { COMMANDS, type Command, subcommandsOf } from './commands.ts';
import { unknownCommand } from './help.ts';
import { UsageError } from './options.ts';

const HELP_FLAGS: ReadonlySet<string> = new Set(['--help', '-h']);
const VERSION_FLAGS: ReadonlySet<string> = new Set(['--version', '-v']);
const USAGE_EXIT = 2;

interface ChosenCommand {
  readonly command: Command;
  readonly args: readonly string[];
  /** The help that an error points to: `tablecast start --help`. */
  readonly help: string;
}

/** Runs the command that the arguments name. Resolves with the exit code. */
export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let help = 'tablecast help';
  try {
    const chosen = choose(args);
    help = chosen.help;
    const run = await chosen.command.load();
    return await run({ args: chosen.args, env });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`tablecast: ${error.message}\nSee: ${help}\n`);
    return USAGE_EXIT;
  }
}

function choose(args: readonly string[]): ChosenCommand {
  const [first, ...rest] = args;
  if (first === undefined) return named('help', []);
  if (VERSION_FLAGS.has(first)) return named('version', []);
  // Also `tablecast start --help`: words before the option name the command.
  const at = args.findIndex((arg) => HELP_FLAGS.has(arg));
  if (at >= 0) return named('help', at === 0 ? rest : commandWords(args.slice(0, at)));
  if (first.startsWith('-')) {
    const near = suggest(first, [...HELP_FLAGS, ...VERSION_FLAGS]);
    throw new UsageError(`unknown option "${first}"${near === undefined ? '' : `; ${near}`}`);
  }
  const members = subcommandsOf(first);
  if (members.length === 0) return named(first, rest);
  const [second, ...others] = rest;
  if (second === undefined) throw new UsageError(`${first} needs one of ${members.join(', ')}`);
  return named(`${first} ${second}`, others);
}

/** The words that name the command; its operands are no words of it. */
function commandWords(args: readonly string[]): readonly string[] {
  const [first = '', second] = args;
  if (second === undefined || !subcommandsOf(first).includes(second)) return [first];
  return [first, second];
}

function named(name: string, args: readonly string[]): ChosenCommand {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw unknownCommand(name);
  return { command, args, help: name === 'help' ? 'tablecast help' : `tablecast ${name} --help` };
}
