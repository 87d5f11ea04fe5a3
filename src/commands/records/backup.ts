import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { BackupEngine } from '../../store/engine.ts';
import { loadEngine, type StoreLocation } from '../../store/index.ts';
import type { Invocation } from '../commands.ts';
import { CommandError, describeFailure } from '../failure.ts';
import { parseCall } from '../options.ts';
import { exitCodeOf, interruptible } from './interruption.ts';
import { ProgressLine } from './progress.ts';
import { loadOnlyApp } from './project-app.ts';

/** `tablecast backup`: writes all databases of an application into one file, while the server runs or not. */
export async function backup({ args, env }: Invocation): Promise<number> {
  const { dir, values } = parseCall(args, { options: ['to'] });
  const progress = new ProgressLine('Pages');
  try {
    const { app } = loadOnlyApp(dir, env);
    const { appId, dataDir } = app.config;
    const backups = await openBackups(app.config);
    const time = new Date().toISOString().replace(/[:.]/g, '-');
    const to = resolve((values.to as string | undefined) ?? join('.', `${appId}-${time}.backup`));
    mkdirSync(dirname(to), { recursive: true });
    const report = await interruptible('Interrupted: the backup was not written.', (stop) => {
      const onProgress = (done: number, total: number) => {
        stop.throwIfAborted();
        progress.update(done, done / total);
      };
      return Promise.resolve(backups.backUp({ dir: dataDir, to, appId, onProgress }));
    });
    progress.end();
    const size = `${(report.bytes / 1024 ** 2).toFixed(1)} MB`;
    process.stdout.write(`${to}: ${report.parts.join(', ')} at position ${report.position}, ${size}, checked\n`);
    return 0;
  } catch (error) {
    progress.end();
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return exitCodeOf(error, 1);
  }
}

/** `tablecast restore`: puts the databases of a backup in place. */
export async function restore({ args, env }: Invocation): Promise<number> {
  const { operands, dir, values } = parseCall(args, { options: ['force'], operands: ['<file>'] });
  const [file = ''] = operands;
  const progress = new ProgressLine('Megabytes');
  try {
    const { app } = loadOnlyApp(dir, env);
    const onProgress = (done: number, total: number) => progress.update(Math.round(done / 1024 ** 2), done / total);
    const options = { from: resolve(file), dir: app.config.dataDir, replace: values.force === true, onProgress };
    const { appId, created, position, parts, kept } = await (await openBackups(app.config)).restore(options);
    progress.end();
    const made = `of ${appId}, made ${new Date(created).toISOString()}, at position ${position}`;
    process.stdout.write(`${app.config.dataDir}: ${parts.join(', ')} ${made}\n`);
    if (kept !== undefined) process.stdout.write(`The databases before are in ${kept}\n`);
    return 0;
  } catch (error) {
    progress.end();
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return 1;
  }
}

async function openBackups(location: StoreLocation): Promise<BackupEngine> {
  const { backups, backupCommands = 'its tools' } = await loadEngine(location);
  if (backups === undefined) {
    throw new CommandError(`Backups of this store are made by its database. Use ${backupCommands}.`);
  }
  return backups;
}
