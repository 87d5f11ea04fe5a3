import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { openTransfer } from '../../boot/control/client.ts';
import type { Transfer } from '../../boot/control/transfer.ts';
import type { ServerConfig } from '../../config/config.ts';
import { isPrivate } from '../../config/loopback.ts';
import type { Invocation } from '../commands.ts';
import { CommandError, describeFailure } from '../failure.ts';
import { type Call, parseCall, UsageError } from '../options.ts';
import { filesIn } from './files.ts';
import { RecordGenerator } from './generate.ts';
import { importFile } from './import.ts';
import { describeLoad, loadRows } from './load-rows.ts';
import { countOf } from './progress.ts';
import { type ChosenApp, inRelationOrder, loadOnlyApp } from './project-app.ts';

const OPTIONS = ['reset', 'generate', 'random-seed', 'yes'] as const;
const MAX_GENERATED_RECORDS = 10_000_000;
/** Records are written by their keys, so that a second run changes nothing. */
const BY_KEY = { mode: 'upsert', onError: 'stop', dryRun: false, names: {} } as const;

/** `tablecast seed`: writes the records of the folder `seed`, or generated ones. */
export async function seed({ args, env }: Invocation): Promise<number> {
  const { dir, values } = parseCall(args, { options: OPTIONS });
  const count = readNumber(values, 'generate', MAX_GENERATED_RECORDS);
  const randomSeed = readNumber(values, 'random-seed', 2 ** 32 - 1) ?? 1;
  try {
    const chosen = loadOnlyApp(dir, env);
    const folder = join(chosen.app.config.dir, 'seed');
    if (count === undefined && !existsSync(folder)) {
      throw new CommandError(`${folder} does not exist. Write seed/<Table>.json there, or use --generate <number>.`);
    }
    if (values.reset === true && values.yes !== true) checkReset(chosen.server, env);
    const transfer = await openTransfer(chosen.app, chosen.server);
    try {
      if (values.reset === true) await reset(transfer, chosen);
      const isWhole = existsSync(folder) ? await loadFiles(transfer, chosen, folder) : true;
      if (!isWhole) return 1;
      return count === undefined || (await generate(transfer, chosen, { count, randomSeed })) ? 0 : 1;
    } finally {
      await transfer.close();
    }
  } catch (error) {
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return 2;
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

async function loadFiles(transfer: Transfer, { app }: ChosenApp, folder: string): Promise<boolean> {
  for (const file of filesIn(app.plan, folder)) {
    const { refused } = await importFile(transfer, file, BY_KEY);
    if (refused > 0) return false;
  }
  return true;
}

async function generate(
  transfer: Transfer,
  { app }: ChosenApp,
  { count, randomSeed }: { readonly count: number; readonly randomSeed: number },
): Promise<boolean> {
  const generator = new RecordGenerator({ count, randomSeed });
  for (const table of inRelationOrder(app.plan.tables)) {
    const key = `generate:${randomSeed}:${count}`;
    const result = await loadRows(transfer, generator.rows(table), { ...BY_KEY, table, key, total: count });
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
