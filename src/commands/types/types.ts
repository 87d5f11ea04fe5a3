import { resolve } from 'node:path';
import { loadProject } from '../../boot/project.ts';
import { withoutSecrets } from '../../config/files/interpolate.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { parseCall, UsageError } from '../options.ts';
import { isCurrent, type MadeFile, madeFiles, writeMade } from './types-file.ts';

/**
 * `tablecast types`: writes TypeScript declarations of the tables of each application, in its folder or to `--out`, and
 * beside them the types for the client, or to `--client`, and the definitions of directives for editors. `--check` writes
 * nothing; the exit code is 1 when a file is not up to date.
 */
export function types({ args, env }: Invocation): number {
  const { dir, values } = parseCall(args, { options: ['out', 'client', 'check'] });
  try {
    const { apps } = loadProject(dir, withoutSecrets(env));
    const out = pathOf('--out', values.out, apps.length);
    const client = pathOf('--client', values.client, apps.length);
    const files = apps.flatMap((app) => madeFiles(app, { out, client }));
    return values.check === true ? check(files) : write(files);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return 1;
  }
}

type Files = readonly MadeFile[];

function pathOf(option: string, value: unknown, count: number): string | undefined {
  if (typeof value !== 'string') return undefined;
  if (count > 1) {
    throw new UsageError(`${option} names one file, and there are ${count} applications: name one with [dir]`);
  }
  return resolve(value);
}

function check(files: Files): number {
  const stale = files.filter((file) => !isCurrent(file));
  for (const { path } of stale) process.stderr.write(`${path} is not up to date: run tablecast types\n`);
  return stale.length === 0 ? 0 : 1;
}

function write(files: Files): number {
  for (const file of files) {
    const isNew = writeMade(file);
    process.stdout.write(`${file.path} ${isNew ? 'written' : 'is up to date'}\n`);
  }
  return 0;
}
