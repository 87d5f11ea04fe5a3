import { suggest } from '../config/files/suggest.ts';
import { COMMAND_GROUPS, COMMANDS, type Command, type Invocation, subcommandsOf } from './commands.ts';
import { OPTIONS, type OptionName, UsageError } from './options.ts';

/** `tablecast help`: the list of commands, or the help of one. */
export function help({ args }: Invocation): number {
  process.stdout.write(`${args.length === 0 ? describeProgram() : describeNamed(args)}\n`);
  return 0;
}

function describeProgram(): string {
  const names = Object.entries(COMMANDS).map(([name, command]) => usageOf(name, command).length);
  const width = Math.max(...names) + 2;
  const groups = Object.entries(COMMAND_GROUPS).map(([title, commands]) => {
    const lines = Object.entries(commands).map(
      ([name, command]) => `  ${usageOf(name, command).padEnd(width)}${command.what}`,
    );
    return [`${title}:`, ...lines].join('\n');
  });
  return [
    'Tablecast: tables, REST and live channels from one schema file.',
    'Usage: tablecast <command> [options]',
    ...groups,
    '`tablecast <command> --help` explains a command. [dir] is the application folder, by default the current one.',
  ].join('\n\n');
}

/** The help of `start`, of `user add`, or of all commands that begin with `user`. */
function describeNamed(words: readonly string[]): string {
  const [first = '', second, extra] = words;
  const group = subcommandsOf(first);
  const name = group.length > 0 && second !== undefined ? `${first} ${second}` : first;
  if (extra !== undefined || (group.length === 0 && second !== undefined)) {
    throw new UsageError(`help explains one command, and "${words.join(' ')}" is more`);
  }
  if (group.length > 0 && second === undefined) {
    return group.map((member) => describeCommand(`${first} ${member}`)).join('\n\n');
  }
  return describeCommand(name);
}

function describeCommand(name: string): string {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) throw unknownCommand(name);
  const { options, what, details, examples, meanings } = command;
  const usage = `Usage: tablecast ${usageOf(name, command)}${options.length === 0 ? '' : ' [options]'}`;
  return [
    usage,
    `${what.charAt(0).toUpperCase()}${what.slice(1)}.${details === undefined ? '' : ` ${details}`}`,
    ...(options.length === 0 ? [] : [['Options:', ...describeOptions(options, meanings)].join('\n')]),
    ['Examples:', ...examples.map((example) => `  tablecast ${example}`)].join('\n'),
  ].join('\n\n');
}

function usageOf(name: string, { operands }: Command): string {
  return operands === '' ? name : `${name} ${operands}`;
}

function describeOptions(names: readonly OptionName[], meanings: Command['meanings'] = {}): string[] {
  const flags = names.map((name) => {
    const option = OPTIONS[name];
    return 'value' in option ? `--${name} ${option.value}` : `--${name}`;
  });
  const width = Math.max(...flags.map(({ length }) => length)) + 2;
  return names.map((name, index) => `  ${(flags[index] ?? '').padEnd(width)}${meanings[name] ?? OPTIONS[name].what}`);
}

/** The error for a name that is no command, with the command that was probably meant. */
export function unknownCommand(name: string): UsageError {
  const [first = '', second] = name.split(' ');
  const members = subcommandsOf(first);
  if (second !== undefined && members.length > 0) {
    const near =
      suggest(second, members, `${first} `) ??
      `the commands are ${members.map((member) => `${first} ${member}`).join(', ')}`;
    return new UsageError(`unknown command "${name}"; ${near}`);
  }
  const words = Object.keys(COMMANDS).map((words) => words.split(' ', 1)[0] ?? words);
  const near = suggest(first, words);
  return new UsageError(`unknown command "${first}"${near === undefined ? '' : `; ${near}`}`);
}
