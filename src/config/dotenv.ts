import { join } from 'node:path';
import { parseEnv } from 'node:util';
import type { Environment } from './files/interpolate.ts';
import type { Report } from './files/report.ts';
import { readSource, SourceFile } from './files/source.ts';

export const DOTENV_FILE = '.env';
const MAX_DOTENV_BYTES = 1024 ** 2;

export interface DotenvOptions {
  readonly env: Environment;
  readonly report: Report;
  /** Name of the file in diagnostics. */
  readonly shown: string;
}

/** Adds the variables of `.env` in the folder to the environment. Variables of the environment win, also when empty. */
export function withDotenv(folder: string, { env, report, shown }: DotenvOptions): Environment {
  const source = readSource(join(folder, DOTENV_FILE), { shown, maxBytes: MAX_DOTENV_BYTES });
  if (source === undefined) return env;
  if (source instanceof SourceFile) return { ...parseEnv(source.text), ...env };
  report.add(source);
  return env;
}
