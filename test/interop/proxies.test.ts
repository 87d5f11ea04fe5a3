import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import compression from 'compression';
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { generate } from 'selfsigned';
import { expect, test } from 'vitest';
import { startServer } from '../support/app.ts';
import { freePort } from '../support/free-port.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';
import { Program, run, withProgram } from './tools.ts';

/** A proxy of this process on a port of its own. */
async function listen(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('compression and http-proxy-middleware of express hold no event back', async () => {
  await using server = await startServer();
  const app = express();
  app.use(compression());
  app.use(createProxyMiddleware({ target: server.origin }));
  await using proxy = createServer(app);
  const origin = await listen(proxy);
  using stream = await SseClient.open(`${origin}/my-app/Message?stream=sse`, {
    headers: { 'accept-encoding': 'gzip' },
  });
  await stream.next('ready');
  await server.put('Message/a', { title: 'one', content: 'x' });
  expect((await stream.next('update')).json).toMatchObject({ id: 'a', title: 'one' });
  expect(stream.headers['content-encoding']).toBeUndefined();
});

withProgram('nginx', (path) => {
  /** nginx as a TLS end with HTTP/2 and compression in front of a server. */
  async function startNginx(port: number) {
    const [plain, tls] = [await freePort(), await freePort()];
    const nginx = new Program();
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 });
    mkdirSync(join(nginx.folder, 'logs'));
    writeFileSync(join(nginx.folder, 'cert.pem'), cert);
    writeFileSync(join(nginx.folder, 'key.pem'), key, { mode: 0o600 });
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path tmp_${name};`,
    );
    writeFileSync(
      join(nginx.folder, 'nginx.conf'),
      `pid nginx.pid; error_log stderr; worker_processes 1; daemon off;
events { worker_connections 64; }
http {
  access_log off; ${temporary.join(' ')}
  gzip on; gzip_types application/json; gzip_min_length 1;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  server {
    listen 127.0.0.1:${plain};
    listen 127.0.0.1:${tls} ssl http2;
    ssl_certificate cert.pem; ssl_certificate_key key.pem;
    location / {
      proxy_pass http://127.0.0.1:${port};
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
  }
}`,
    );
    const prefix = `${nginx.folder}/`;
    await nginx.start(path, ['-p', prefix, '-c', join(prefix, 'nginx.conf'), '-e', 'stderr'], plain);
    return { nginx, plain, tls };
  }

  test('passes event streams and WebSockets on as they come', async () => {
    await using server = await startServer();
    const { nginx, plain } = await startNginx(server.port);
    await using _ = nginx;
    const at = `127.0.0.1:${plain}/my-app/Message`;
    using stream = await SseClient.open(`http://${at}?stream=sse`);
    await stream.next('ready');
    using socket = await WsClient.open(`ws://${at}`);
    await server.put('Message/a', { title: 'one', content: 'x' });
    expect((await stream.next('update')).json).toMatchObject({ id: 'a' });
    expect(await socket.next()).toMatchObject({ message_type: 'Update', id: 'a' });
    socket.send({ id: 'b', title: 'two', content: 'y' });
    expect((await stream.next('update')).json).toMatchObject({ id: 'b' });
  });

  test('passes an event stream on over HTTP/2', async () => {
    await using server = await startServer();
    const { nginx, tls } = await startNginx(server.port);
    await using _ = nginx;
    const session = connectHttp2(`https://127.0.0.1:${tls}`, { rejectUnauthorized: false });
    const stream = session.request({ ':path': '/my-app/Message?stream=sse' });
    stream.setEncoding('utf8');
    let text = '';
    const came = (what: string) =>
      new Promise<void>((resolve) => {
        const look = (chunk: string) => {
          text += chunk;
          if (!text.includes(what)) return;
          stream.off('data', look);
          resolve();
        };
        stream.on('data', look);
      });
    await came('event: ready');
    await server.put('Message/a', { title: 'one', content: 'x' });
    await came('"title":"one"');
    session.destroy();
  });
});

withProgram('varnishd', (path) => {
  test('keeps no record longer than the server says, with its defaults', async () => {
    await using server = await startServer();
    const port = await freePort();
    await using varnish = new Program();
    const backend = `127.0.0.1:${server.port}`;
    await varnish.start(
      path,
      ['-F', '-a', `127.0.0.1:${port}`, '-b', backend, '-n', varnish.folder, '-j', 'none'],
      port,
    );
    const at = `http://127.0.0.1:${port}/my-app/Message`;
    const titleOf = async () => ((await (await fetch(`${at}/c1`)).json()) as { title: string }).title;
    await server.put('Message/c1', { title: 'one', content: 'x' });
    expect([await titleOf(), (await (await fetch(at)).json()) as unknown[]]).toMatchObject(['one', [{ title: 'one' }]]);
    await server.put('Message/c1', { title: 'two', content: 'x' });
    expect([await titleOf(), (await (await fetch(at)).json()) as unknown[]]).toMatchObject(['two', [{ title: 'two' }]]);
    await fetch(`${at}/c1`, { method: 'DELETE' });
    expect([(await fetch(`${at}/c1`)).status, await (await fetch(at)).json()]).toEqual([404, []]);
  });
});

withProgram('promtool', (path) => {
  test('finds nothing wrong with the metrics', async () => {
    await using server = await startServer();
    await server.put('Message/a', { title: 'one', content: 'x' });
    using _ = await WsClient.open(server.wsUrl('Message'));
    const metrics = await (await fetch(`${server.origin}/metrics`)).text();
    expect(metrics).toContain('tablecast_');
    const { output } = await run(path, ['check', 'metrics'], { input: metrics });
    // Those of Node have the names that prom-client gives them.
    expect(output.split('\n').filter((line) => line !== '' && !line.startsWith('nodejs_active_'))).toEqual([]);
  });
});
