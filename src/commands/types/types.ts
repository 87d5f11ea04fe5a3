import { resolve } from 'node:path';
import { loadProject } from '../../boot/project.ts';
import type { ProjectApp } from '../../schema/project-app.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { parseCall, UsageError } from '../options.ts';
import { isCurrent, typesFileOf, writeTypes } from './types-file.ts';

/**
 * `tablecast types`: TypeScript declarations of the tables of each application, in its folder or in `--out`. With
 * `--check` nothing is written, and the exit code is 1 when a file is not up to date.
 */
export function types({ args, env }: Invocation): number {
  const { dir, values } = parseCall(args, { options: ['out', 'check'] });
  try {
    const { apps } = loadProject(dir, env);
    const files = apps.map((app) => [pathOf(app, values.out, apps.length), app] as const);
    return values.check === true ? check(files) : write(files);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return 1;
  }
}

type Files = readonly (readonly [path: string, app: ProjectApp])[];

function pathOf(app: ProjectApp, out: unknown, count: number): string {
  if (typeof out !== 'string') return typesFileOf(app);
  if (count > 1) throw new UsageError(`--out names one file, and there are ${count} applications: name one with [dir]`);
  return resolve(out);
}

function check(files: Files): number {
  const stale = files.filter(([path, app]) => !isCurrent(path, app)).map(([path]) => path);
  for (const path of stale) process.stderr.write(`${path} is not up to date: run tablecast types\n`);
  return stale.length === 0 ? 0 : 1;
}

function write(files: Files): number {
  for (const [path, app] of files) {
    const isNew = writeTypes(path, app);
    process.stdout.write(`${path} ${isNew ? 'written' : 'is up to date'}\n`);
  }
  return 0;
}
