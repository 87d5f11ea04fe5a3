import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openTransfer } from '../../../boot/control/client.ts';
import type { Transfer } from '../../../boot/control/transfer.ts';
import type { ServerConfig } from '../../../config/config.ts';
import { isPrivate } from '../../../config/loopback.ts';
import type { Invocation } from '../../commands.ts';
import { CommandError, describeFailure } from '../../failure.ts';
import { type Call, parseCall, UsageError } from '../../options.ts';
import { filesIn, type TableFile } from '../files.ts';
import { importFile } from '../import.ts';
import { exitCodeOf, interruptible } from '../interruption.ts';
import { describeLoad, INTERRUPTED, loadRows } from '../load-rows.ts';
import { countOf } from '../progress.ts';
import { type ChosenApp, inRelationOrder, loadOnlyApp } from '../project-app.ts';
import { RecordGenerator } from './generate.ts';
import { findSeedModule, runSeedModule, type SeedTable } from './seed-module.ts';

const OPTIONS = ['reset', 'generate', 'random-seed', 'yes'] as const;
const MAX_GENERATED_RECORDS = 10_000_000;
/** Records are written by their keys, so that a second run changes nothing. */
const BY_KEY = { mode: 'upsert', onError: 'stop', dryRun: false, names: {} } as const;

/** `tablecast seed`: writes the records of the folder `seed` and of `seed.ts`, or generated ones. */
export async function seed({ args, env }: Invocation): Promise<number> {
  const { dir, values } = parseCall(args, { options: OPTIONS });
  const count = readNumber(values, 'generate', MAX_GENERATED_RECORDS);
  const randomSeed = readNumber(values, 'random-seed', 2 ** 32 - 1) ?? 1;
  try {
    const chosen = loadOnlyApp(dir, env);
    // Errors in them are reported before a reset removes anything.
    const sources = await readSources(chosen, count !== undefined);
    if (values.reset === true && values.yes !== true) checkReset(chosen.server, env);
    const isWhole = await interruptible(INTERRUPTED, async (stop) => {
      const transfer = await openTransfer(chosen.app, chosen.server);
      try {
        if (values.reset === true) await reset(transfer, chosen);
        if (!(await loadSources(transfer, sources, stop))) return false;
        return count === undefined || (await generate(transfer, chosen, { count, randomSeed, stop }));
      } finally {
        await transfer.close();
      }
    });
    return isWhole ? 0 : 1;
  } catch (error) {
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return exitCodeOf(error, 2);
  }
}

/** Throws CommandError for a server that others use: a reset removes their records. */
function checkReset(server: ServerConfig, env: Invocation['env']): void {
  if (isPrivate(server) && env.NODE_ENV !== 'production') return;
  throw new CommandError(
    '--reset removes every record, and this server is not for one machine alone. If that is intended, add --yes.',
  );
}

/** Removes records before those that they belong to. */
async function reset(transfer: Transfer, { app }: ChosenApp): Promise<void> {
  for (const table of inRelationOrder(app.plan.tables).toReversed()) {
    const count = await transfer.reset(table);
    if (count > 0) process.stdout.write(`${table.name}: ${countOf(count)} removed\n`);
  }
}

interface Sources {
  readonly files: readonly TableFile[];
  /** Records that a module makes. */
  readonly made: readonly SeedTable[];
}

/** Throws CommandError for errors in them, and where there are none although `isOptional` is false. */
async function readSources({ app }: ChosenApp, isOptional: boolean): Promise<Sources> {
  const { dir } = app.config;
  const folder = join(dir, 'seed');
  const module = findSeedModule(dir);
  const hasFolder = existsSync(folder);
  if (!hasFolder && module === undefined && !isOptional) {
    const advice = 'Write seed/<Table>.json there, or seed.ts, or use --generate <number>.';
    throw new CommandError(`${folder} does not exist. ${advice}`);
  }
  return {
    files: hasFolder ? filesIn(app.plan, folder) : [],
    made: module === undefined ? [] : await runSeedModule(module, app.plan),
  };
}

/** Writes the records of the files, then those of the module. Returns false when some were refused. */
async function loadSources(transfer: Transfer, { files, made }: Sources, stop: AbortSignal): Promise<boolean> {
  for (const file of files) {
    const { refused } = await importFile(transfer, file, { ...BY_KEY, stop });
    if (refused > 0) return false;
  }
  for (const { table, rows } of made) {
    const shareOf = () => undefined;
    const result = await loadRows(transfer, rows, { ...BY_KEY, table, key: 'module', shareOf, stop });
    process.stdout.write(`${describeLoad(table, result, false)}\n`);
    if (result.refused > 0) return false;
  }
  return true;
}

async function generate(
  transfer: Transfer,
  { app }: ChosenApp,
  { count, randomSeed, stop }: { readonly count: number; readonly randomSeed: number; readonly stop: AbortSignal },
): Promise<boolean> {
  const generator = new RecordGenerator({ count, randomSeed });
  for (const table of inRelationOrder(app.plan.tables)) {
    const key = `generate:${randomSeed}:${count}`;
    const shareOf = (done: number) => done / count;
    const result = await loadRows(transfer, generator.rows(table), { ...BY_KEY, table, key, shareOf, stop });
    process.stdout.write(`${describeLoad(table, result, false)}\n`);
    if (result.refused > 0) return false;
  }
  return true;
}

function readNumber(values: Call['values'], name: 'generate' | 'random-seed', max: number): number | undefined {
  const text = values[name];
  if (typeof text !== 'string') return undefined;
  const number = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (number <= max) return number;
  throw new UsageError(`--${name} "${text}" is not a number from 0 to ${max}`);
}
