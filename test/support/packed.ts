import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const run = promisify(execFile);

interface Packed {
  readonly filename: string;
  readonly unpackedSize: number;
}

/** A folder in which both packages are installed from their tarballs, as they would be published. */
export class PackedInstall implements AsyncDisposable {
  readonly dir: string;
  /** Bytes of the files of `tablecast`. */
  readonly unpackedSize: number;

  constructor(dir: string, unpackedSize: number) {
    this.dir = dir;
    this.unpackedSize = unpackedSize;
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
    const [packed = { filename: '', unpackedSize: 0 }] = JSON.parse(stdout) as Packed[];
    return { file: join(dir, packed.filename), unpackedSize: packed.unpackedSize };
  };
  await writeFile(join(dir, 'package.json'), '{"private":true}\n');
  const product = await pack('.');
  const tarballs = [product.file, (await pack('packages/create-tablecast')).file];
  // `engine-strict` refuses a package that does not name the version of Node.
  const quiet = [
    '--ignore-scripts',
    '--engine-strict',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  await run('npm', ['install', ...quiet, ...tarballs, ...more], { cwd: dir });
  const binary = 'node_modules/better-sqlite3/build';
  await cp(join(ROOT, binary), join(dir, binary), { recursive: true });
  return new PackedInstall(dir, product.unpackedSize);
}
