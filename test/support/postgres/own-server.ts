import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort } from '../free-port.ts';

const run = promisify(execFile);
const VERSIONS = '/usr/lib/postgresql';

/** Folder with the programs of the newest installed server; undefined where there is none. */
function findPrograms(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a)) : [];
  return versions.map((version) => join(VERSIONS, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb')));
}

/** A PostgreSQL server of a test alone, in a temporary folder, which the test may end and start again. */
export class OwnPostgres implements AsyncDisposable {
  /** Why there can be none; undefined where there can. */
  static readonly missing = findPrograms() === undefined ? 'initdb is not installed' : undefined;

  readonly #dir: string;
  readonly #port: number;
  readonly #user: { uid?: number; gid?: number };
  /** Folder of the server that runs. */
  #data = 'data';
  #copies = 0;

  private constructor(dir: string, port: number, user: { uid?: number; gid?: number }) {
    this.#dir = dir;
    this.#port = port;
    this.#user = user;
  }

  static async start(): Promise<OwnPostgres> {
    const user = await findUser();
    const dir = mkdtempSync(join(tmpdir(), 'tablecast-pg-'));
    if (user.uid !== undefined) chownSync(dir, user.uid, user.gid ?? user.uid);
    const server = new OwnPostgres(dir, await freePort(), user);
    await server.#run('initdb', '-D', join(dir, 'data'), '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C');
    await server.#control('start');
    return server;
  }

  get url(): string {
    return `postgres://postgres@127.0.0.1:${this.#port}/postgres`;
  }

  /** Ends the server and starts it again: `fast` ends every transaction, `immediate` is a crash. */
  async restart(how: 'fast' | 'immediate'): Promise<void> {
    await this.#control('stop', '-m', how);
    await this.#control('start');
  }

  /** Makes a copy of the server as it is now, as a standby has it that gets no further. */
  async copy(): Promise<string> {
    const copy = `copy${this.#copies++}`;
    const from = ['-h', '127.0.0.1', '-p', String(this.#port), '-U', 'postgres', '--checkpoint', 'fast'];
    await this.#run('pg_basebackup', '-D', join(this.#dir, copy), ...from);
    return copy;
  }

  /** Ends the server, as if its machine were gone, and starts a copy in its place. */
  async failOver(copy: string): Promise<void> {
    await this.#control('stop', '-m', 'immediate');
    this.#data = copy;
    await this.#control('start');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#control('stop', '-m', 'immediate');
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async #control(command: string, ...args: readonly string[]): Promise<void> {
    const options = `-p ${this.#port} -k ${this.#dir} -c listen_addresses=127.0.0.1`;
    const start = command === 'start' ? ['-o', options, '-l', join(this.#dir, 'log')] : [];
    await this.#run('pg_ctl', '-D', join(this.#dir, this.#data), '-w', '-t', '120', ...start, command, ...args);
  }

  async #run(program: string, ...args: readonly string[]): Promise<void> {
    await run(join(findPrograms() ?? '', program), [...args], { ...this.#user, cwd: this.#dir });
  }
}

/** Returns the user that runs the server, which must not be root. */
async function findUser(): Promise<{ uid?: number; gid?: number }> {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (what) => Number((await run('id', [what, 'postgres'])).stdout)),
  );
  return { ...(uid === undefined ? {} : { uid }), ...(gid === undefined ? {} : { gid }) };
}
