import { spawn } from 'node:child_process';

const KNOWN: ReadonlySet<string> = new Set(['npm', 'pnpm', 'yarn', 'bun']);

/** The package manager that runs the program (`pnpm create`, `npx`); npm otherwise. */
export function findPackageManager({ npm_config_user_agent: agent = '' }: NodeJS.ProcessEnv): string {
  const [name = ''] = agent.split('/', 1);
  return KNOWN.has(name) ? name : 'npm';
}

/** Installs what package.json names. Resolves with how it failed, with undefined when it did not. */
export function installPackages(manager: string, dir: string): Promise<string | undefined> {
  const quiet = manager === 'npm' ? ['--no-audit', '--no-fund'] : [];
  // On Windows package managers are scripts of the shell.
  const child = spawn(manager, ['install', ...quiet], {
    cwd: dir,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  return new Promise((done) => {
    child.once('error', ({ message }) => done(message));
    child.once('close', (code, signal) => done(code === 0 ? undefined : (signal ?? `exit code ${code}`)));
  });
}
