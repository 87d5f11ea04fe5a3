// Installs the packed tarballs on other versions of Node, and serves a folder with the two files there:
// `npm run test:package -- --node 22 --node 24.18.1`; without a version on the Node that runs it.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CACHE = join(ROOT, 'node_modules/.cache/tablecast');
const DRIVER = 'node_modules/better-sqlite3';
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'];
const SCHEMA = 'type Message @table @export { id: ID! @primaryKey title: String! }\n';
const MAX_START_MS = 60_000;
const run = promisify(execFile);

const { values } = parseArgs({ options: { node: { type: 'string', multiple: true } } });
const folder = mkdtempSync(join(tmpdir(), 'tablecast-package-'));
try {
  const tarballs = [await pack('.'), await pack('packages/create-tablecast')];
  for (const version of values.node ?? [undefined]) {
    const started = performance.now();
    const node = version === undefined ? process.execPath : await installNode(version);
    const serving = await tryPackage(node, tarballs);
    process.stdout.write(`${serving} (${((performance.now() - started) / 1000).toFixed(0)} s)\n`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Packs as `npm publish` does. */
async function pack(name) {
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run('npm', args, { cwd: join(ROOT, name), maxBuffer: 64 * 1024 ** 2 });
  return join(folder, JSON.parse(stdout)[0].filename);
}

/** Downloads a version of Node from the registry, once. Returns its program. */
async function installNode(version) {
  if (!/^\d+(?:\.\d+){0,2}$/.test(version)) throw new Error(`--node ${version} is no version: write 22 or 24.18.1`);
  const home = join(CACHE, `node-${version}`);
  const program = () => findProgram(join(home, 'node_modules'));
  if (program() === undefined) {
    mkdirSync(home, { recursive: true });
    writeFileSync(join(home, 'package.json'), '{"private":true}\n');
    await run('npm', ['install', ...QUIET, `node@${version}`], { cwd: home });
  }
  const found = program();
  if (found === undefined) throw new Error(`node@${version} has no program for ${process.platform}-${process.arch}`);
  return found;
}

/** The program in the package of this platform, which the package `node` installs within itself or beside. */
function findProgram(modules) {
  const name = `node-${process.platform}-${process.arch}/bin/node`;
  return [join(modules, 'node/node_modules', name), join(modules, name)].find((file) => existsSync(file));
}

/** Installs the tarballs on that Node, and uses a server of `npx tablecast start`. Returns what was done. */
async function tryPackage(node, tarballs) {
  const env = { ...process.env, PATH: `${dirname(node)}${delimiter}${process.env.PATH}`, NODE_ENV: '', PORT: '' };
  const version = (await run(node, ['--version'])).stdout.trim();
  const dir = mkdtempSync(join(folder, 'app-'));
  const app = join(dir, 'my-app');
  // npm has node-gyp for scripts.
  const scripts = { driver: `cd ${DRIVER} && node-gyp rebuild --release` };
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, scripts }));
  // The driver is compiled below. `engine-strict` refuses a package that does not name this version of Node.
  await run('npm', ['install', ...QUIET, '--ignore-scripts', '--engine-strict', ...tarballs], { cwd: dir, env });
  await addDriver(dir, { node, version, env });
  mkdirSync(app);
  writeFileSync(join(app, 'schema.graphql'), SCHEMA);
  writeFileSync(join(app, 'config.yaml'), 'port: 0\n');
  await use(app, env);
  return `Node ${version}: installed, checked, served and stopped`;
}

/**
 * Puts the native part of the driver in place: that of the checkout for the Node of the checkout, else a compiled one.
 * Without optimization, which would take most of the time: what is tried here is the package.
 */
async function addDriver(dir, { node, version, env }) {
  const built = 'build/Release/better_sqlite3.node';
  const target = join(dir, DRIVER, built);
  const kept = node === process.execPath ? join(ROOT, DRIVER, built) : join(CACHE, `better-sqlite3-${version}.node`);
  if (!existsSync(kept)) {
    const flags = { CFLAGS: '-O0 -w', CXXFLAGS: '-O0 -w', JOBS: '2', npm_config_nodedir: join(dirname(node), '..') };
    await run('npm', ['run', 'driver'], { cwd: dir, env: { ...env, ...flags }, maxBuffer: 64 * 1024 ** 2 });
    cpSync(target, kept);
  }
  mkdirSync(dirname(target), { recursive: true });
  cpSync(kept, target);
}

/** Checks and serves an application, writes a record while a stream is open, and stops the server. */
async function use(app, env) {
  await run('npx', ['--no-install', 'tablecast', 'check'], { cwd: app, env });
  const options = { cwd: app, env, stdio: ['ignore', 'pipe', 'inherit'], detached: true };
  const server = spawn('npx', ['--no-install', 'tablecast', 'start'], options);
  const ended = once(server, 'exit');
  const timer = setTimeout(() => process.kill(-server.pid, 'SIGKILL'), MAX_START_MS);
  try {
    const lines = createInterface({ input: server.stdout });
    const closed = once(lines, 'close');
    const messages = [];
    const listening = new Promise((done, fail) => {
      lines.on('line', (line) => {
        const entry = JSON.parse(line);
        messages.push(entry.msg);
        if (entry.msg === 'listening') done(entry.url);
      });
      lines.once('close', () => fail(new Error('the server ended before it listened')));
    });
    const url = `${await listening}/my-app/Message`;
    const stream = await fetch(`${url}?stream=sse`);
    const body = JSON.stringify({ id: 'a', title: 'Hello' });
    const headers = { 'content-type': 'application/json' };
    const { status } = await fetch(url, { method: 'POST', headers, body });
    if (status !== 201) throw new Error(`POST ${url} returned ${status}`);
    await readUntil(stream.body, body);
    // npx, a shell and the server: a terminal sends Ctrl-C to all of them.
    process.kill(-server.pid, 'SIGINT');
    await Promise.all([ended, closed]);
    if (!messages.includes('stopped')) throw new Error(`the server did not stop as it should: ${messages.join(', ')}`);
  } finally {
    clearTimeout(timer);
    if (server.exitCode === null && server.signalCode === null) process.kill(-server.pid, 'SIGKILL');
  }
}

async function readUntil(body, text) {
  let read = '';
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    read += chunk;
    if (read.includes(text)) return;
  }
  throw new Error(`the stream ended without ${text}: ${read}`);
}
