import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** The templates by their folders in the package, the default first, with what each is about. */
export const TEMPLATES: Readonly<Record<string, string>> = {
  minimal: 'one table and a page with a live list',
  chat: 'users, rooms, presence and access rules',
  board: 'lists and cards with relations and drag and drop',
};
export const DEFAULT_TEMPLATE = 'minimal';

/** npm leaves a file named `.gitignore` out of packages, so that templates have these names instead. */
const DOT_FILES: Readonly<Record<string, string>> = { _gitignore: '.gitignore', _env: '.env' };

/** Values of the placeholders, such as `{{name}}`, in the files of a template. */
export type Values = Readonly<Record<string, string>>;

/** The files of a template, by their paths with `/`, with the values in place. */
export function readTemplate(dir: string, values: Values): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const names = source.slice(dir.length + 1).split(sep);
    const path = names.map((name) => DOT_FILES[name] ?? name).join('/');
    files.set(path, fill(readFileSync(source, 'utf8'), values));
  }
  return files;
}

function fill(text: string, values: Values): string {
  return text.replace(/\{\{(\w+)\}\}/g, (written, name: string) => values[name] ?? written);
}
