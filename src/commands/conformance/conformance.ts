import type { Invocation } from '../commands.ts';
import { parseCall, UsageError } from '../options.ts';
import { RULES } from './checks.ts';
import { discoverTable } from './discover.ts';
import type { ConformanceSubject } from './rules/rule.ts';

/**
 * `tablecast conformance <url>`: checks any server against protocol v1, on a table that it can write. Prints a line for each
 * rule; the exit code is 1 when one is broken.
 */
export async function conformance({ args }: Invocation): Promise<number> {
  const { operands, dir, values } = parseCall(args, {
    operands: ['<url>'],
    options: ['token', 'table', 'field', 'data'],
  });
  if (dir !== '.') throw new UsageError(`unexpected "${dir}": only one address can be named`);
  const base = readAddress(operands[0] as string);
  try {
    const subject = await readSubject(base, values);
    process.stdout.write(`${subject.url}, table ${subject.table}, field ${subject.field}\n`);
    return await checkAll(subject);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    process.stderr.write(`${describe(error)}\n`);
    return 1;
  }
}

async function checkAll(subject: ConformanceSubject): Promise<number> {
  let failed = 0;
  for (const { section, title, run } of RULES) {
    const reason = await run(subject).then(() => undefined, describe);
    if (reason !== undefined) failed++;
    const line = reason === undefined ? `pass  §${section} ${title}` : `FAIL  §${section} ${title}: ${reason}`;
    process.stdout.write(`${line}\n`);
  }
  process.stdout.write(
    failed === 0 ? `all ${RULES.length} rules hold\n` : `${failed} of ${RULES.length} rules broken\n`,
  );
  return failed === 0 ? 0 : 1;
}

function readAddress(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UsageError(`"${text}" is not the address of an application: write http://localhost:9996/my-app`);
  }
  return url.href.replace(/\/$/, '');
}

async function readSubject(base: string, values: Readonly<Record<string, unknown>>): Promise<ConformanceSubject> {
  const text = (name: string) => (typeof values[name] === 'string' ? values[name] : undefined);
  const token = text('token');
  const url = `${base.replace(/^http/, 'ws')}/_/live`;
  const [table, field, data] = [text('table'), text('field'), readData(text('data'))];
  if (table !== undefined && field !== undefined) return { url, token, table, field, data: data ?? {} };
  const found = await discoverTable({ base, token, table });
  if (found === undefined) {
    throw new UsageError(
      'found no table that fits: name one with --table, a string field with --field, and what a record needs with --data',
    );
  }
  return { url, token, ...found, ...(field === undefined ? {} : { field }), ...(data === undefined ? {} : { data }) };
}

function readData(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    throw new UsageError('--data is not JSON');
  }
}

function describe(error: unknown): string {
  const { message, cause } = error as Error & { readonly cause?: { readonly message?: string } };
  return cause?.message === undefined ? message : `${message}: ${cause.message}`;
}
