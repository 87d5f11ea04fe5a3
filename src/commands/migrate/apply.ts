import { mkdirSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { checkAllowance, previewAll } from '../../boot/allowance.ts';
import { storeOptions } from '../../boot/application.ts';
import { loadProject, type Project } from '../../boot/project.ts';
import { withoutSecrets } from '../../config/files/interpolate.ts';
import type { MigrationPreview } from '../../store/engine.ts';
import { loadEngine } from '../../store/index.ts';
import type { Terminal } from '../allowance.ts';
import type { Invocation } from '../commands.ts';
import { CommandError, describeFailure } from '../failure.ts';
import { parseArguments } from '../options.ts';
import { describeStep } from './plan.ts';

/** `tablecast migrate apply`: makes the steps of `migrate plan` without serving anything. */
export async function apply({ args, env }: Invocation): Promise<number> {
  const { dir, allowDestructive } = parseArguments(args, ['allow-destructive']);
  try {
    const project = loadProject(dir, withoutSecrets(env));
    const named = allowDestructive === 'ask' ? [] : allowDestructive;
    for (const notice of await checkAllowance(project.apps, named)) process.stderr.write(`${notice}\n`);
    const allowed = [...named, ...(await askEach(await previewAll(project.apps, named)))];
    let steps = 0;
    for (const app of project.apps) steps += await migrateApp(app, project.server, allowed);
    process.stdout.write(steps === 0 ? 'Nothing to do. The schema is as stored.\n' : 'Done.\n');
    return 0;
  } catch (error) {
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return 1;
  }
}

/** Returns the number of steps that were made. */
async function migrateApp(
  { config, plan }: Project['apps'][number],
  server: Project['server'],
  allowDestructive: readonly string[],
): Promise<number> {
  mkdirSync(config.dataDir, { recursive: true });
  let steps = 0;
  const store = await (await loadEngine(config)).openRecords(plan, {
    ...storeOptions(config, server),
    allowDestructive,
    onNotice: (sentence) => {
      steps++;
      process.stdout.write(`${config.appId}: ${sentence}\n`);
    },
    onWarning: (sentence) => void process.stderr.write(`${config.appId}: ${sentence}\n`),
  });
  await store.close();
  return steps;
}

/**
 * Asks at a terminal for each step that loses data and is not allowed on the command line; elsewhere the names have to be
 * there. Throws CommandError when one is refused: then nothing is changed.
 */
export async function askEach(
  previews: readonly MigrationPreview[],
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<readonly string[]> {
  const refused = previews.flatMap(({ refusal }) => refusal ?? []);
  const losing = previews.flatMap((preview) => preview.losing);
  if (refused.length === 0) return [];
  if (input.isTTY !== true || previews.some(({ impossible }) => impossible)) {
    throw new CommandError(
      refused.join('\n\n').replaceAll('tablecast start --allow', 'tablecast migrate apply --allow'),
    );
  }
  const terminal = createInterface({ input, output });
  const ended = new Promise<string>((done) => terminal.once('close', () => done('')));
  try {
    for (const step of previews.flatMap(({ steps }) => steps)) {
      if (step.name === undefined || !losing.includes(step.name)) continue;
      output.write(`${describeStep(step).join('\n')}\n`);
      const answer = await Promise.race([terminal.question('Make this change? (y/N) '), ended]);
      if (!/^y(?:es)?$/i.test(answer.trim())) throw new CommandError('Nothing was changed.');
    }
  } finally {
    terminal.close();
  }
  return losing;
}
