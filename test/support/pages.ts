import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** Folders with pages. Templates are left out: their links hold in the folder that is made from them. */
const FOLDERS = ['docs', 'apps', 'bench', 'packages'];

/** Returns the files below a folder of the repository, without packages, as paths with slashes. */
export function listFiles(folder: string): string[] {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  return entries.flatMap((entry) => {
    const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return /^(?:node_modules|dist|cache|data)$/.test(entry.name) ? [] : listFiles(path);
    return entry.isFile() ? [path.split(sep).join('/')] : [];
  });
}

/** Returns the paths of all Markdown pages of the repository. */
export function listPages(): string[] {
  const existing = readdirSync(ROOT, { withFileTypes: true });
  const top = existing.filter((entry) => entry.isFile()).map(({ name }) => name);
  const folders = existing.filter((entry) => entry.isDirectory() && FOLDERS.includes(entry.name));
  return [...top, ...folders.flatMap(({ name }) => listFiles(name))].filter((path) => path.endsWith('.md')).sort();
}

const FENCES = /^( *)(`{3,}|~{3,}).*\n[\s\S]*?^\1\2`*$/gm;

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** Returns the text of a page without its blocks of code. */
export function readProse(page: string): string {
  return readPage(page).replace(FENCES, '');
}
