import { openTransfer } from '../../boot/control/client.ts';
import { IMPORT_MODES, type ImportMode } from '../../resources/transfer/importer.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { type Call, parseCall, UsageError } from '../options.ts';
import { fileOf, filesIn, isFolder, type TableFile } from './files.ts';
import { describeLoad, type LoadOptions, loadRows } from './load-rows.ts';
import { loadOnlyApp } from './project-app.ts';
import { FILE_FORMATS, hashFile, readRows } from './rows.ts';

const OPTIONS = ['table', 'mode', 'format', 'map', 'on-error', 'dry-run'] as const;
/** Exit codes: some records were refused, or the import could not be carried out. */
const EXIT = { done: 0, refused: 1, failed: 2 } as const;

type ImportOptions = Pick<LoadOptions, 'mode' | 'onError' | 'dryRun' | 'names'>;

/** `tablecast import`: writes the records of a file, or of a folder of files, through the server when it runs. */
export async function importRecords({ args, env }: Invocation): Promise<number> {
  const { operands, dir, values } = parseCall(args, { options: OPTIONS, operands: ['<file>'] });
  const [source = ''] = operands;
  const options = readOptions(values);
  try {
    const { app, server } = loadOnlyApp(dir, env);
    const { table, format } = values as { table?: string; format?: string };
    const files = isFolder(source) ? filesIn(app.plan, source) : [fileOf(app.plan, source, table, format)];
    const transfer = await openTransfer(app, server);
    let refused = 0;
    try {
      for (const file of files) {
        const result = await importFile(transfer, file, options);
        refused += result.refused;
        if (result.stopped) break;
      }
    } finally {
      await transfer.close();
    }
    return refused > 0 ? EXIT.refused : EXIT.done;
  } catch (error) {
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return EXIT.failed;
  }
}

/** Writes one file, and says on stdout what became of its records. */
export async function importFile(
  transfer: Parameters<typeof loadRows>[0],
  { file, format, table }: TableFile,
  options: ImportOptions,
): Promise<Awaited<ReturnType<typeof loadRows>>> {
  const { mode, names, dryRun } = options;
  // Another mode or other names make another import of the same file.
  const key = JSON.stringify([await hashFile(file), mode, names]);
  const rows = readRows({ file, format, table, mode, names });
  const result = await loadRows(transfer, rows, { ...options, table, key });
  process.stdout.write(`${describeLoad(table, result, dryRun)}\n`);
  return result;
}

function readOptions(values: Call['values']): ImportOptions {
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
