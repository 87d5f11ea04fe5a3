import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { onTestFinished } from 'vitest';
import { makeApp, runToExit } from '../../support/app.ts';

/** Application folder of a test, on which commands run. */
export class DataFolder {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  static async make(schema: string, config?: string): Promise<DataFolder> {
    const { dir, root } = await makeApp({ schema, ...(config === undefined ? {} : { config }) });
    onTestFinished(() => rm(root ?? dir, { recursive: true, force: true }));
    return new DataFolder(dir);
  }

  path(name: string): string {
    return join(this.dir, name);
  }

  async write(name: string, content: string): Promise<string> {
    await mkdir(dirname(this.path(name)), { recursive: true });
    await writeFile(this.path(name), content);
    return this.path(name);
  }

  run(...args: readonly string[]): ReturnType<typeof runToExit> {
    return runToExit(args);
  }

  /** Removes everything that is stored. */
  wipe(): Promise<void> {
    return rm(this.path('data'), { recursive: true, force: true });
  }

  query(sql: string, file = 'data.db'): unknown[][] {
    const db = new Database(join(this.dir, 'data', file), { readonly: true });
    try {
      return db.prepare(sql).raw().all() as unknown[][];
    } finally {
      db.close();
    }
  }
}

/** The lines after the first one, which has the position. */
export function recordsOf(ndjson: string): string {
  return ndjson.slice(ndjson.indexOf('\n') + 1);
}

export function toLines(records: readonly object[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
