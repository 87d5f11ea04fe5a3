import { COMMANDS, type Invocation } from './commands.ts';
import { OPTIONS, parseArguments } from './options.ts';

/** `tablecast help`: the commands and their options. */
export function help({ args }: Invocation): number {
  parseArguments(args, []);
  const commands = Object.values(COMMANDS).map(({ usage, what }) => `  tablecast ${usage}\n      ${what}`);
  const options = Object.entries(OPTIONS).map(([name, { what }]) => `  --${name.padEnd(18)} ${what}`);
  const lines = [
    'Tables, REST and live channels from one schema.',
    '',
    'Usage:',
    ...commands,
    '',
    'Options:',
    ...options,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}
