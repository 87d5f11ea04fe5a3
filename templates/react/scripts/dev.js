// Runs the server of the application and Vite, which serves the page. Ctrl-C ends both.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { createServer } from 'vite';

const program = fileURLToPath(import.meta.resolve('tablecast/cli'));
const app = spawn(process.execPath, [program, 'dev', ...process.argv.slice(2)], { stdio: 'inherit' });
const page = await createServer();
await page.listen();
page.printUrls();

app.once('exit', async (code) => {
  await page.close();
  process.exit(code ?? 1);
});
process.once('SIGTERM', () => app.kill());
// At a terminal Ctrl-C reaches the other process as well, which ends this one.
process.on('SIGINT', () => {});
