import { resolve } from 'node:path';
import closeWithGrace from 'close-with-grace';
import { loadProject } from '../../boot/project.ts';
import { withoutSecrets } from '../../config/files/interpolate.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { parseCall, UsageError } from '../options.ts';
import { isCurrent, type MadeFile, madeFiles, writeMade } from './types-file.ts';

/**
 * `tablecast types`: writes TypeScript declarations of the tables of each application, in its folder or to `--out`, and
 * beside them the types for the client, or to `--client`, and the definitions of directives for editors. `--check` writes
 * nothing; the exit code is 1 when a file is not up to date. `--watch` writes them again after every change of the schema.
 */
export async function types({ args, env }: Invocation): Promise<number> {
  const { dir, values } = parseCall(args, { options: ['out', 'client', 'check', 'watch'] });
  if (values.watch === true && values.check === true) {
    throw new UsageError('--check writes nothing, and --watch writes after every change: use one of them');
  }
  const run = (use: (made: Files) => number): number => {
    try {
      const { apps } = loadProject(dir, withoutSecrets(env));
      const out = pathOf('--out', values.out, apps.length);
      const client = pathOf('--client', values.client, apps.length);
      return use(apps.flatMap((app) => madeFiles(app, { out, client })));
    } catch (error) {
      if (error instanceof UsageError) throw error;
      process.stderr.write(`${describeFailure(error, dir)}\n`);
      return 1;
    }
  };
  if (values.watch === true) return follow(dir, run);
  return run(values.check === true ? check : write);
}

/** Writes the files now and after every change, until the process is stopped. What cannot be read changes no file. */
async function follow(dir: string, run: (use: (made: Files) => number) => number): Promise<number> {
  const { WatchedFiles, watchFiles } = await import('../dev/watch.ts');
  const files = new WatchedFiles(dir);
  const watcher = await watchFiles(files, () => run(writeChanged));
  closeWithGrace({ delay: false, logger: false }, () => watcher.close());
  run(write);
  process.stdout.write(`watching ${files.root}\n`);
  return 0;
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

function writeChanged(files: Files): number {
  for (const file of files) if (writeMade(file)) process.stdout.write(`${file.path} written\n`);
  return 0;
}
