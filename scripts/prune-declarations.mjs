// Removes declarations that no entry of the package leads to: those of the server's own modules.
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { exports: entries } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const open = Object.values(entries).flatMap(({ types }) => (types === undefined ? [] : [join(ROOT, types)]));
const needed = new Set(open);

for (let file = open.pop(); file !== undefined; file = open.pop()) {
  const text = readFileSync(file, 'utf8');
  for (const [, name] of text.matchAll(/(?:from|import)\s*\(?['"](\.[^'"]+)['"]/g)) {
    const target = join(dirname(file), name.replace(/\.[jt]s$/, '.d.ts'));
    if (needed.has(target) || !existsSync(target)) continue;
    needed.add(target);
    open.push(target);
  }
}

for (const entry of readdirSync(join(ROOT, 'dist'), { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile() && file.endsWith('.d.ts') && !needed.has(file)) rmSync(file);
}
