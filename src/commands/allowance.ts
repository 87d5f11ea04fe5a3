import { createInterface } from 'node:readline/promises';
import { previewAll } from '../boot/allowance.ts';
import { loadProject } from '../boot/project.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import { CommandError } from './failure.ts';

export interface Terminal {
  readonly input: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly output: NodeJS.WritableStream;
}

/** Names of the schema changes that the operator confirms at the terminal, for `--allow-destructive` without names. Throws CommandError. */
export async function askAllowance(
  apps: readonly ProjectApp[],
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<readonly string[]> {
  const previews = await previewAll(apps, []);
  const refused = previews.flatMap(({ refusal }) => refusal ?? []);
  const losing = previews.flatMap((preview) => preview.losing);
  if (previews.some(({ impossible }) => impossible)) throw new CommandError(refused.join('\n\n'));
  if (losing.length === 0) return [];
  if (input.isTTY !== true) {
    const sentence = '--allow-destructive without names asks at a terminal; here it needs the names above.';
    throw new CommandError([...refused, sentence].join('\n\n'));
  }
  output.write(`${refused.join('\n\n')}\n\n`);
  if (await confirm(`Make these changes now: ${losing.join(', ')}? (y/N) `, { input, output })) return losing;
  throw new CommandError('Nothing was changed.');
}

async function confirm(question: string, { input, output }: Terminal): Promise<boolean> {
  const terminal = createInterface({ input, output });
  const ended = new Promise<string>((done) => terminal.once('close', () => done('')));
  const answer = await Promise.race([terminal.question(question), ended]);
  terminal.close();
  return /^y(?:es)?$/i.test(answer.trim());
}

/** The names on the command line, or those that the operator confirms. */
export async function resolveAllowance(
  allowed: readonly string[] | 'ask',
  { dir, env }: { readonly dir: string; readonly env: NodeJS.ProcessEnv },
): Promise<readonly string[]> {
  return allowed === 'ask' ? askAllowance(loadProject(dir, env).apps) : allowed;
}
