import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startServer } from '../support/app.ts';

test('the listener for commands answers to the token of a private file, and leaves with the server', async () => {
  await using server = await startServer();
  const file = join(server.dir, 'data', 'control.json');
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const { port, token, app } = JSON.parse(await readFile(file, 'utf8'));
  expect(app).toBe('my-app');
  const ask = (authorization: string | undefined, path = '/control') =>
    fetch(`http://127.0.0.1:${port}${path}`, {
      method: 'POST',
      headers: authorization === undefined ? {} : { authorization },
      body: JSON.stringify({ type: 'reset', app, table: 'Message' }),
    });
  await server.put('Message/1', { title: 'a', content: 'b' });
  for (const wrong of [undefined, 'Bearer ', `Bearer ${'x'.repeat(token.length)}`, `Basic ${token}`]) {
    expect((await ask(wrong)).status).toBe(401);
  }
  expect((await ask(`Bearer ${token}`, '/other')).status).toBe(404);
  expect((await server.ask('GET', 'Message')).records).toHaveLength(1);
  const answer = await ask(`Bearer ${token}`);
  expect(await answer.json()).toEqual({ result: 1 });
  expect((await server.ask('GET', 'Message')).records).toHaveLength(0);
  await server.stop();
  await expect(stat(file)).rejects.toThrow('ENOENT');
  await expect(ask(`Bearer ${token}`)).rejects.toThrow();
});
