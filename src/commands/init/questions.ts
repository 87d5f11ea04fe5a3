import { createInterface, type Interface } from 'node:readline/promises';
import { suggest } from '../../config/files/suggest.ts';
import { CommandError } from '../failure.ts';
import { DEFAULT_NAME } from './app-name.ts';
import { DEFAULT_TEMPLATE, TEMPLATES } from './templates.ts';

export interface Choices {
  readonly dir: string;
  readonly template: string;
}

/** Undefined members are still to be chosen. */
export interface GivenChoices {
  readonly dir: string | undefined;
  readonly template: string | undefined;
}

/** Why the name is no template; undefined for a template. */
export function templateProblem(name: string): string | undefined {
  if (Object.hasOwn(TEMPLATES, name)) return undefined;
  const names = Object.keys(TEMPLATES);
  const near = suggest(name, names);
  return `there is no template "${name}"; ${near === undefined ? `the templates are ${names.join(', ')}` : near}`;
}

/** Asks at the terminal for what the command line leaves open. Ctrl-C and Ctrl-D throw CommandError. */
export async function askChoices({ dir, template }: GivenChoices): Promise<Choices> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return {
      dir: dir ?? (await ask(terminal, 'Folder', DEFAULT_NAME)),
      template: template ?? (await askTemplate(terminal)),
    };
  } finally {
    terminal.close();
  }
}

async function askTemplate(terminal: Interface): Promise<string> {
  const lines = Object.entries(TEMPLATES).map(([name, what]) => `  ${name.padEnd(9)}${what}\n`);
  process.stdout.write(lines.join(''));
  for (;;) {
    const name = await ask(terminal, 'Template', DEFAULT_TEMPLATE);
    const problem = templateProblem(name);
    if (problem === undefined) return name;
    process.stdout.write(`${problem}\n`);
  }
}

/** The answer, or the default for an empty one. */
async function ask(terminal: Interface, question: string, byDefault: string): Promise<string> {
  const ended = new Promise<never>((_, reject) => {
    terminal.once('close', () => reject(new CommandError('\nNothing was created.')));
  });
  const answer = await Promise.race([terminal.question(`${question} (${byDefault}): `), ended]);
  return answer.trim() || byDefault;
}
