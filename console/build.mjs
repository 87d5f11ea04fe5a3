// Builds the console to dist/console: hashed names, so that browsers keep what does not change, and one page that names
// the first of them. Stylesheets are joined, icons are symbols of one file.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';

const HERE = dirname(fileURLToPath(import.meta.url));

/** Icons of lucide that the console draws. */
const ICONS =
  `activity arrow-down arrow-up arrow-up-right book-open cable check chevron-down chevron-left chevron-right chevrons-up-down circle-alert
  circle-help columns-3 command copy database download ellipsis eye eye-off file-text funnel git-compare history house key-round link list-tree
  log-in log-out menu monitor moon pause pencil play plus radio refresh-cw rotate-ccw save scroll-text search send sun table-2
  trash-2 triangle-alert undo-2 unplug upload user workflow x zap`.split(/\s+/);

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0f766e"/><path d="M8 10h16M8 16h10M8 22h6" stroke="#fff" stroke-width="3" stroke-linecap="round"/><circle cx="23" cy="21" r="3" fill="#5eead4"/></svg>`;

/** Builds everything into this folder, and notes the packages that are bundled. */
export async function buildConsole(folder, bundled) {
  bundled.add(dirname(createRequire(import.meta.url).resolve('lucide-static/package.json')));
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const icon = write(folder, 'icon', 'svg', LOGO);
  const icons = write(folder, 'icons', 'svg', makeSprite());
  const style = write(folder, 'style', 'css', joinStyles());
  const { output } = await build({
    input: { main: join(HERE, 'src/main.tsx') },
    platform: 'browser',
    external: ['ws'],
    plugins: [bundled.plugin],
    tsconfig: false,
    transform: { jsx: { runtime: 'automatic', importSource: 'preact' }, define: { ICONS_FILE: JSON.stringify(icons) } },
    output: {
      dir: folder,
      format: 'esm',
      minify: true,
      entryFileNames: '[name]-[hash].js',
      chunkFileNames: '[name]-[hash].js',
      // What every page needs and lazy chunks share is one file, and not one for each set of chunks that share it.
      codeSplitting: {
        groups: [{ name: 'shared', test: /[\\/](?:preact|@preact|parts|state|client)[\\/]/, minShareCount: 2 }],
      },
    },
  });
  const { fileName: main, imports } = output.find((file) => file.type === 'chunk' && file.isEntry);
  const preloads = imports.map((name) => `<link rel="modulepreload" href="./${name}">`).join('');
  const page = readFileSync(join(HERE, 'index.html'), 'utf8');
  writeFileSync(
    join(folder, 'index.html'),
    page.replace('{icon}', icon).replace('{style}', style).replace('{main}', main).replace('{preloads}', preloads),
  );
}

/** Writes a file under a name that changes with its content. */
function write(folder, name, ending, text) {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 8).toUpperCase();
  const file = `${name}-${hash}.${ending}`;
  writeFileSync(join(folder, file), text);
  return file;
}

function makeSprite() {
  const folder = join(dirname(createRequire(import.meta.url).resolve('lucide-static/package.json')), 'icons');
  const symbols = ICONS.map((name) => {
    const text = readFileSync(join(folder, `${name}.svg`), 'utf8');
    const inner = text
      .slice(text.indexOf('>', text.indexOf('<svg')) + 1, text.indexOf('</svg>'))
      .replace(/\s+/g, ' ')
      .trim();
    return `<symbol id="${name}" viewBox="0 0 24 24">${inner}</symbol>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>`;
}

function joinStyles() {
  const folder = join(HERE, 'style');
  const sheets = readdirSync(folder)
    .filter((name) => name.endsWith('.css'))
    .sort();
  const text = sheets.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n');
  return text
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .replace(/\s+/g, ' ')
    .replace(/ ?([{};,>]) ?/g, '$1')
    .replace(/;}/g, '}')
    .trim();
}
