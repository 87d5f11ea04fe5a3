import { suggest } from '../config/files/suggest.ts';
import { COMMANDS, subcommandsOf } from './commands.ts';
import { UsageError } from './options.ts';

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
