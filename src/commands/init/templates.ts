import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

/** The templates by their folders in the package, the default first, with what each is about. */
export const TEMPLATES: Readonly<Record<string, string>> = {
  minimal: 'one table and a page with a live list',
  chat: 'users, rooms, presence and access rules',
  board: 'lists and cards with relations and drag and drop',
  react: 'React and Vite with types from the schema',
};

/** Folder with files of several templates, and where they go in an application. */
interface Layer {
  readonly folder: string;
  readonly place: string;
}

/** Files of templates without a build step. */
const PLAIN: readonly Layer[] = [
  { folder: '_base', place: '' },
  { folder: '_page', place: '' },
  { folder: '_style', place: 'web/' },
];
/** Shared folders under each template. Files of the template itself replace those of the same path. */
const LAYERS: Readonly<Record<string, readonly Layer[]>> = {
  react: [
    { folder: '_base', place: '' },
    { folder: '_style', place: 'src/' },
  ],
};
export const DEFAULT_TEMPLATE = 'minimal';

/** npm leaves a file named `.gitignore` out of packages, so that templates have these names instead. */
const DOT_FILES: Readonly<Record<string, string>> = { _gitignore: '.gitignore', _env: '.env' };

/** Values of the placeholders, such as `{{name}}`, in the files of a template. */
export type Values = Readonly<Record<string, string>>;

/** The files of a template below the folder of all, by their paths with `/`, with the values in place. */
export function readTemplate(root: string, template: string, values: Values): ReadonlyMap<string, string> {
  const layers = [...(LAYERS[template] ?? PLAIN), { folder: template, place: '' }];
  return new Map(
    layers.flatMap(({ folder, place }) =>
      readFolder(join(root, folder)).map(([path, text]) => [`${place}${path}`, fill(text, values)] as const),
    ),
  );
}

/** Returns paths and texts of the files below a folder. */
function readFolder(dir: string): (readonly [path: string, text: string])[] {
  const files: (readonly [string, string])[] = [];
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const names = source.slice(dir.length + 1).split(sep);
    const path = names.map((name) => DOT_FILES[name] ?? name).join('/');
    files.push([path, readFileSync(source, 'utf8')]);
  }
  return files;
}

function fill(text: string, values: Values): string {
  return text.replace(/\{\{(\w+)\}\}/g, (written, name: string) => values[name] ?? written);
}
