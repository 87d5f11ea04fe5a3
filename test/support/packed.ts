import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

/** A folder in which both packages are installed from their tarballs, as they would be published. */
export class PackedInstall implements AsyncDisposable {
  readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

/**
 * Packs and installs, with more packages of the registry. Install scripts do not run: without a prebuilt binary of better-sqlite3 they would compile it, which
 * takes a minute, so that the binary of the checkout is used.
 */
export async function installPacked(more: readonly string[] = []): Promise<PackedInstall> {
  const dir = await mkdtemp(join(tmpdir(), 'tablecast-packed-'));
  const pack = async (folder: string) => {
    const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', dir];
    const { stdout } = await run('npm', args, { cwd: join(ROOT, folder), maxBuffer: 64 * 1024 ** 2 });
    return join(dir, (JSON.parse(stdout) as { filename: string }[])[0]?.filename ?? '');
  };
  await writeFile(join(dir, 'package.json'), '{"private":true}\n');
  const tarballs = [await pack('.'), await pack('packages/create-tablecast')];
  const quiet = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  await run('npm', ['install', ...quiet, ...tarballs, ...more], { cwd: dir });
  const binary = 'node_modules/better-sqlite3/build';
  await cp(join(ROOT, binary), join(dir, binary), { recursive: true });
  return new PackedInstall(dir);
}
