import { openTransfer } from '../../boot/control/client.ts';
import type { Transfer } from '../../boot/control/transfer.ts';
import { IMPORT_MODES, type ImportMode } from '../../resources/transfer/importer.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { type Call, parseCall, UsageError } from '../options.ts';
import { fileOf, filesIn, isFolder, type TableFile } from './files.ts';
import { exitCodeOf, interruptible } from './interruption.ts';
import { describeLoad, INTERRUPTED, type LoadOptions, type LoadResult, loadRows } from './load-rows.ts';
import { loadOnlyApp } from './project-app.ts';
import { FILE_FORMATS, hashFile, readRows } from './rows.ts';

const OPTIONS = ['table', 'mode', 'format', 'map', 'on-error', 'dry-run'] as const;
/** Exit codes: some records were refused, or the import could not be carried out. */
const EXIT = { done: 0, refused: 1, failed: 2 } as const;

type ImportOptions = Pick<LoadOptions, 'mode' | 'onError' | 'dryRun' | 'names' | 'stop'>;

/** `tablecast import`: writes the records of a file, or of a folder of files, through the server when it runs. */
export async function importRecords({ args, env }: Invocation): Promise<number> {
  const { operands, dir, values } = parseCall(args, { options: OPTIONS, operands: ['<file>'] });
  const [source = ''] = operands;
  const options = readOptions(values);
  try {
    const { app, server } = loadOnlyApp(dir, env);
    const { table, format } = values as { table?: string; format?: string };
    const files = isFolder(source) ? filesIn(app.plan, source) : [fileOf(app.plan, source, table, format)];
    const refused = await interruptible(INTERRUPTED, async (stop) => {
      const transfer = await openTransfer(app, server);
      try {
        return await importAll(transfer, files, { ...options, stop });
      } finally {
        await transfer.close();
      }
    });
    return refused > 0 ? EXIT.refused : EXIT.done;
  } catch (error) {
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return exitCodeOf(error, EXIT.failed);
  }
}

/** Writes files up to one that stops the import; returns the number of refused records. */
async function importAll(transfer: Transfer, files: readonly TableFile[], options: ImportOptions): Promise<number> {
  let refused = 0;
  for (const file of files) {
    const result = await importFile(transfer, file, options);
    refused += result.refused;
    if (result.stopped) break;
  }
  return refused;
}

/** Writes one file, and says on stdout what became of its records. */
export async function importFile(
  transfer: Transfer,
  { file, format, table }: TableFile,
  options: ImportOptions,
): Promise<LoadResult> {
  const { mode, names, dryRun } = options;
  // Another mode or other names make another import of the same file.
  const key = JSON.stringify([await hashFile(file), mode, names]);
  let read = 0;
  const onRead = (share: number) => {
    read = share;
  };
  const rows = readRows({ file, format, table, mode, names, onRead });
  const result = await loadRows(transfer, rows, { ...options, table, key, shareOf: () => read });
  process.stdout.write(`${describeLoad(table, result, dryRun)}\n`);
  return result;
}

function readOptions(values: Call['values']): Omit<ImportOptions, 'stop'> {
  const { mode = 'create', 'on-error': onError = 'stop', format } = values;
  requireOneOf('mode', mode, IMPORT_MODES);
  requireOneOf('on-error', onError, ['stop', 'skip']);
  if (format !== undefined) requireOneOf('format', format, FILE_FORMATS);
  return {
    mode: mode as ImportMode,
    onError: onError as 'stop' | 'skip',
    dryRun: values['dry-run'] === true,
    names: readNames((values.map as readonly string[] | undefined) ?? []),
  };
}

function requireOneOf(option: string, value: unknown, allowed: readonly string[]): void {
  if (allowed.some((one) => one === value)) return;
  throw new UsageError(`--${option} "${String(value)}" is not one of ${allowed.join(', ')}`);
}

function readNames(pairs: readonly string[]): Readonly<Record<string, string>> {
  const names = pairs.map((pair) => {
    const [from, to, more] = pair.split('=');
    if (!from || !to || more !== undefined) {
      throw new UsageError(`--map "${pair}" is not name-in-the-file=field`);
    }
    return [from, to] as const;
  });
  return Object.fromEntries(names);
}
