// Starts the demo at two servers on one PostgreSQL database, behind a balancer. Environment: DATABASE_URL, NATS_URL, PORT, APP_ID.
import { spawn } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Balancer } from './balancer.mjs';

const { DATABASE_URL = 'postgres://postgres@127.0.0.1:5432/postgres', NATS_URL, PORT = '9996', APP_ID } = process.env;
const SERVERS = 2;
/** Milliseconds after which a server that has died is started again. */
const RESTART_DELAY_MS = 3000;
const DEMO = fileURLToPath(new URL('..', import.meta.url));
const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url));

const folder = await mkdtemp(join(tmpdir(), 'tablecast-two-servers-'));
const balancer = new Balancer();
const children = new Set();
let isStopping = false;

/** Makes a copy of the demo for one server, with the settings of this example. */
async function makeCopy(name) {
  const dir = join(folder, name);
  await cp(DEMO, dir, { recursive: true, filter: (path) => !/\/(?:data|two-servers)$/.test(path) });
  const config = await readFile(join(DEMO, 'config.yaml'), 'utf8');
  const nats = NATS_URL === undefined ? '' : `cluster:\n  nats: \${NATS_URL}\n`;
  const id = APP_ID === undefined ? config : config.replace(/^app_id: .*$/m, `app_id: ${APP_ID}`);
  await writeFile(join(dir, 'config.yaml'), `${id}\nstore: \${DATABASE_URL}\n${nats}host: 127.0.0.1\n`);
  return dir;
}

/** Starts a server, and starts it again when it dies. Resolves when it listens, or has ended. */
function startServer(name, dir) {
  const env = { ...process.env, DATABASE_URL };
  const child = spawn(process.execPath, [CLI, 'start', dir, '--port', '0', '--json'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  let origin;
  return new Promise((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { msg, url } = parse(line);
      if (msg !== 'listening') return;
      origin = new URL(url).origin;
      balancer.add(origin);
      print(`server ${name}: ${origin} (process ${child.pid})`);
      resolve(true);
    });
    child.once('exit', (code, signal) => {
      children.delete(child);
      balancer.remove(origin);
      resolve(false);
      if (isStopping) return;
      print(`server ${name} has ended (${code ?? signal}); it starts again in ${RESTART_DELAY_MS / 1000} s`);
      setTimeout(() => isStopping || startServer(name, dir), RESTART_DELAY_MS);
    });
  });
}

function print(line) {
  process.stdout.write(`${line}\n`);
}

function parse(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

async function stop(code = 0) {
  if (isStopping) return;
  isStopping = true;
  balancer.close();
  const ended = [...children].map((child) => new Promise((resolve) => child.once('exit', resolve)));
  for (const child of children) child.kill('SIGTERM');
  await Promise.all(ended);
  await rm(folder, { recursive: true, force: true });
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => stop());

const port = await balancer.listen(Number(PORT));
const started = [];
for (let n = 1; n <= SERVERS; n++) started.push(await startServer(String(n), await makeCopy(String(n))));
if (!started.every(Boolean)) await stop(1);
print(`open http://localhost:${port}/${APP_ID ?? 'realtime-demo'}/ in two windows; Ctrl-C stops everything`);
