import { spawn } from 'node:child_process';

export interface InitOutcome {
  /** Relative to the current folder; empty for that folder itself. */
  readonly dir: string;
  readonly manager: string;
  readonly installed: boolean;
  /** True when package.json existed, so that it lacks the scripts of the template. */
  readonly hasOwnManifest: boolean;
}

/** Commands to type next, one a line. */
export function describeNextSteps({ dir, manager, installed, hasOwnManifest }: InitOutcome): string {
  const enter = dir === '' ? [] : [`cd ${quote(dir)}`];
  const run = hasOwnManifest ? ['npm install tablecast', 'npx tablecast dev'] : installing();
  const lines = [...enter, ...run].map((command) => `  ${command}\n`);
  return `\nNext:\n\n${lines.join('')}\nIt prints the addresses. README.md says what to try.\n`;

  function installing(): readonly string[] {
    return [...(installed ? [] : [`${manager} install`]), `${manager} run dev`];
  }
}

/** The path as one word of a shell. */
function quote(path: string): string {
  const safe = path.startsWith('-') ? `./${path}` : path;
  if (/^[\w./@-]+$/.test(safe)) return safe;
  return process.platform === 'win32' ? `"${safe}"` : `'${safe.replaceAll("'", "'\\''")}'`;
}

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
