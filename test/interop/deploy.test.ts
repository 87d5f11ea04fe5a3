import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { validate } from 'dockerfile-utils';
import { generate } from 'selfsigned';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { BASE_CONFIG, MESSAGE_SCHEMA, startServer, type TestServer } from '../support/app.ts';
import { freePort } from '../support/free-port.ts';
import { SseClient } from '../support/sse-client.ts';
import { until } from '../support/wait.ts';
import { WsClient } from '../support/ws-client.ts';
import { Program, withProgram } from './tools.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The schema of the Compose Specification, as the linter has it. */
const COMPOSE_SCHEMA = join(import.meta.dirname, 'node_modules/dclint/schemas/compose.schema.json');

interface ComposeService {
  readonly profiles?: readonly string[];
  readonly healthcheck?: { readonly test: unknown };
  readonly depends_on?: Readonly<Record<string, unknown>>;
}

/** A server behind the proxy of the examples. */
function startBehindProxy(): Promise<TestServer> {
  return startServer({ config: `${BASE_CONFIG}trust_proxy: true\nallowed_hosts: [app.example.com]\n` });
}

/** Reads, streams and writes through the proxy, as a page of `origin` does. */
async function useThrough(address: string, origin: string): Promise<void> {
  const headers = { host: 'app.example.com', origin };
  using stream = await SseClient.open(`http://${address}/my-app/Message?stream=sse`, {
    headers: { ...headers, 'accept-encoding': 'gzip' },
  });
  await stream.next('ready');
  expect(stream.headers['content-encoding']).toBeUndefined();
  using socket = await WsClient.open(`ws://${address}/my-app/Message`, { headers });
  socket.send({ id: 'a', title: 'one', content: 'x' });
  expect((await stream.next('update')).json).toMatchObject({ id: 'a', title: 'one' });
  expect(await socket.next()).toMatchObject({ message_type: 'Update', id: 'a' });
  // The tag arrives as the server made it, also where the answer may be compressed on the way.
  const request = get(`http://${address}/my-app/Message/a`, { headers: { ...headers, 'accept-encoding': 'gzip' } });
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  answer.resume();
  expect(answer.headers.etag).toMatch(/^"\d+"$/);
}

withProgram('nginx', (path) => {
  test('deploy/nginx.conf passes streams, WebSockets and the name of the site on', async () => {
    await using server = await startBehindProxy();
    const [plain, tls] = [await freePort(), await freePort()];
    await using nginx = new Program();
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 });
    mkdirSync(join(nginx.folder, 'logs'));
    writeFileSync(join(nginx.folder, 'cert.pem'), cert);
    writeFileSync(join(nginx.folder, 'key.pem'), key, { mode: 0o600 });
    // The file as it is, with the addresses and the certificate of this test.
    const site = read('deploy/nginx.conf')
      .replace('127.0.0.1:9996', `127.0.0.1:${server.port}`)
      .replace('listen 443 ssl http2;', `listen 127.0.0.1:${plain}; listen 127.0.0.1:${tls} ssl http2;`)
      .replace(/\/etc\/letsencrypt\S+fullchain\.pem/, 'cert.pem')
      .replace(/\/etc\/letsencrypt\S+privkey\.pem/, 'key.pem');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path t_${name};`,
    );
    const context = 'pid nginx.pid; error_log stderr; daemon off; events {}';
    writeFileSync(
      join(nginx.folder, 'nginx.conf'),
      `${context} http { access_log off; ${temporary.join(' ')} ${site} }`,
    );
    const prefix = `${nginx.folder}/`;
    await nginx.start(path, ['-p', prefix, '-c', join(prefix, 'nginx.conf'), '-e', 'stderr'], plain);
    await useThrough(`127.0.0.1:${plain}`, 'http://app.example.com');
  });
});

withProgram('caddy', (path) => {
  test('deploy/Caddyfile passes streams, WebSockets and the name of the site on', async () => {
    await using server = await startBehindProxy();
    const port = await freePort();
    await using caddy = new Program();
    const file = join(caddy.folder, 'Caddyfile');
    // No administration port, and nothing of a certificate authority.
    writeFileSync(file, `{\n\tadmin off\n\tauto_https off\n}\n${read('deploy/Caddyfile')}`);
    const env = {
      ...process.env,
      HOME: caddy.folder,
      SITE: `http://app.example.com:${port}`,
      TABLECAST: `127.0.0.1:${server.port}`,
    };
    execFileSync(path, ['validate', '--config', file, '--adapter', 'caddyfile'], { env, stdio: 'pipe' });
    await caddy.start(path, ['run', '--config', file, '--adapter', 'caddyfile'], port, env);
    await useThrough(`127.0.0.1:${port}`, 'http://app.example.com');
  });
});

withProgram('systemd-analyze', (path) => {
  test('deploy/tablecast.service is a valid unit that exposes little', () => {
    const folder = mkdtempSync(join(tmpdir(), 'tablecast-unit-'));
    try {
      const unit = join(folder, 'tablecast.service');
      // The path of the program is another one here.
      writeFileSync(unit, read('deploy/tablecast.service').replace('/usr/bin/node', process.execPath));
      const { stderr } = spawnSync(path, ['verify', '--man=no', unit], { encoding: 'utf8' });
      expect(stderr.split('\n').filter((line) => line.includes('tablecast.service'))).toEqual([]);
      const args = ['security', '--offline=true', '--threshold=20', unit];
      expect(spawnSync(path, args, { encoding: 'utf8' })).toMatchObject({ status: 0 });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** An instruction of the last stage of the Dockerfile, with its continuation lines. */
function instructions(name: string): string[] {
  const [, last = ''] = read('Dockerfile')
    .replaceAll(/\\\n\s*/g, ' ')
    .split(/^FROM .*\n(?![\s\S]*^FROM )/m);
  return last.split('\n').flatMap((line) => (line.startsWith(`${name} `) ? [line.slice(name.length + 1).trim()] : []));
}

const isRoot = process.getuid?.() === 0;

describe('the image', () => {
  // No container engine is needed: what the last stage copies and runs is laid out in a folder.
  test.skipIf(!isRoot)(
    'serves as an unprivileged user, writes into its data folder only, and stops at SIGTERM (needs root)',
    { timeout: 120_000 },
    async () => {
      const image = mkdtempSync(join(tmpdir(), 'tablecast-image-'));
      try {
        chmodSync(image, 0o755);
        const production = execFileSync('npm', ['ls', '--omit=dev', '--all', '--parseable'], { cwd: ROOT })
          .toString()
          .split('\n')
          .filter((path) => path.includes('node_modules'));
        for (const copied of instructions('COPY')) {
          const [, source = '', target = ''] = /^--from=build \/src\/(\S+) (\S+)$/.exec(copied) ?? [];
          expect(source, copied).not.toBe('');
          const to = join(image, target === './' ? source : target);
          if (source !== 'node_modules') cpSync(join(ROOT, source), to, { recursive: true });
          else
            for (const path of production)
              cpSync(path, join(to, relative(join(ROOT, source), path)), { recursive: true });
        }
        const app = join(image, 'app');
        mkdirSync(join(app, 'data'), { recursive: true });
        writeFileSync(join(app, 'schema.graphql'), MESSAGE_SCHEMA);
        const port = await freePort();
        writeFileSync(join(app, 'config.yaml'), `auth: none\nport: ${port}\n`);
        const [user, group] = [65534, 65534];
        chownSync(join(app, 'data'), user, group);
        const before = listed(image);
        // The image links /usr/local/bin/tablecast to this file.
        expect(instructions('RUN').join()).toContain('/opt/tablecast/dist/cli.js /usr/local/bin/tablecast');
        expect(instructions('ENTRYPOINT')).toEqual(['["tablecast"]']);
        const [command] = instructions('CMD').map((line) => JSON.parse(line));
        expect(command).toEqual(['start', '--host', '0.0.0.0']);
        // Tests listen on loopback only.
        const args = [
          join(image, 'dist/cli.js'),
          ...command.map((word: string) => word.replace('0.0.0.0', '127.0.0.1')),
        ];
        const child = spawn(process.execPath, args, {
          cwd: app,
          uid: user,
          gid: group,
          env: { PATH: process.env.PATH, NODE_ENV: 'production', HOME: '/nonexistent' },
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let output = '';
        for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
        const exited = once(child, 'exit');
        const [healthcheck = ''] = instructions('HEALTHCHECK');
        const probe = JSON.parse(healthcheck.slice(healthcheck.indexOf('['))) as string[];
        const script = (probe[2] ?? '').replace('9996', String(port));
        const health = async () => spawnSync(process.execPath, ['-e', script]).status;
        expect(await health(), output).toBe(1);
        await until(health, (status) => status === 0, { timeout: 60_000, what: 'a healthy server' });
        const url = `http://127.0.0.1:${port}/app/Message/a`;
        const headers = { 'content-type': 'application/json' };
        const body = JSON.stringify({ title: 't', content: 'c' });
        expect((await fetch(url, { method: 'PUT', headers, body })).status).toBe(201);
        child.kill('SIGTERM');
        expect((await exited)[0], output).toBe(0);
        const written = listed(image).filter((path) => !before.includes(path));
        expect(written.length).toBeGreaterThan(0);
        expect(written.filter((path) => !path.startsWith('app/data/'))).toEqual([]);
      } finally {
        rmSync(image, { recursive: true });
      }
    },
  );

  test('has a Dockerfile in which a linter finds nothing', () => {
    const found = validate(read('Dockerfile')).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`);
    expect(found).toEqual([]);
  });

  test('leaves data, secrets and modules of the machine out', () => {
    const ignored = read('.dockerignore').split('\n');
    for (const path of ['**/data', '**/.env', '**/node_modules', '.git']) expect(ignored).toContain(path);
  });

  test('deploy/compose.yaml fits the Compose Specification, and starts after the services of its profiles', () => {
    const { $schema, ...schema } = JSON.parse(readFileSync(COMPOSE_SCHEMA, 'utf8'));
    const ajv = new Ajv({ strict: false, allErrors: true });
    formats.default(ajv);
    const check = ajv.compile(schema);
    const compose = parse(read('deploy/compose.yaml'));
    expect(check(compose), JSON.stringify(check.errors)).toBe(true);
    // The schema finds mistakes.
    expect(check({ ...compose, services: { tablecast: { imag: 'tablecast' } } })).toBe(false);
    const { tablecast, ...others } = compose.services as Record<string, ComposeService>;
    expect(Object.keys(others)).toEqual(['rabbitmq', 'postgres', 'nats']);
    for (const [name, service] of Object.entries(others)) {
      expect([name, service.profiles, service.healthcheck?.test]).toEqual([name, [name], expect.any(Array)]);
      expect(tablecast?.depends_on?.[name]).toEqual({ condition: 'service_healthy', required: false });
    }
  });

  test('deploy/compose.yaml passes every variable on that docs/how-to/operate/deploy.md names', () => {
    const { tablecast } = parse(read('deploy/compose.yaml')).services;
    const named = [...read('docs/how-to/operate/deploy.md').matchAll(/`([A-Z_]+)=[^`]*`/g)].map(
      ([, name = '']) => name,
    );
    expect(named).toEqual(expect.arrayContaining(['AMQP_URL', 'DATABASE_URL', 'NATS_URL']));
    expect(named.filter((name) => name !== 'JWT_SECRET' && !(name in tablecast.environment))).toEqual([]);
  });

  test('deploy/compose.yaml keeps everything but the data read-only, and waits for a graceful stop', () => {
    const { services, volumes } = parse(read('deploy/compose.yaml'));
    const { tablecast } = services;
    expect(tablecast.build).toBe('..');
    expect(tablecast.read_only).toBe(true);
    expect(tablecast.cap_drop).toEqual(['ALL']);
    expect(tablecast.volumes.map((volume: string) => volume.split(':').slice(-2))).toEqual([
      ['/app', 'ro'],
      ['data', '/app/data'],
    ]);
    expect(tablecast.volumes[1]?.split(':')[1]).toBe(instructions('VOLUME')[0]);
    // Each named volume is declared.
    const named = Object.values<{ volumes?: string[] }>(services).flatMap((one) => one.volumes ?? []);
    for (const volume of named) {
      const [name = ''] = volume.split(':');
      if (/^\w+$/.test(name)) expect(volumes).toHaveProperty(name);
    }
    expect(Number.parseInt(tablecast.stop_grace_period, 10)).toBeGreaterThan(10);
  });
});

/** All files below a folder, as relative paths. */
function listed(folder: string): string[] {
  const found = execFileSync('find', [
    folder,
    '-path',
    join(folder, 'node_modules'),
    '-prune',
    '-o',
    '-type',
    'f',
    '-print',
  ]);
  return found
    .toString()
    .split('\n')
    .filter((path) => path !== '' && dirname(path) !== '.')
    .map((path) => relative(folder, path));
}
