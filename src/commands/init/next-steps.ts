export interface InitOutcome {
  /** Relative to the current folder; empty for that folder itself. */
  readonly dir: string;
  readonly manager: string;
  readonly installed: boolean;
  /** Whether package.json existed, so that it lacks the scripts of the template. */
  readonly hasOwnManifest: boolean;
}

/** What to type next, one command a line. */
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
