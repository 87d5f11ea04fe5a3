// Lays the Markdown files of the repository out as the pages of the site. Links between them are rewritten; a linked file
// that is no page is copied beside them.
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OUT = fileURLToPath(new URL('pages', import.meta.url));

/** Pages outside `docs/`, and pages of `docs/` that have another address. */
const PLACES = {
  'README.md': 'index.md',
  'docs/README.md': 'pages.md',
  'PROTOCOL.md': 'reference/protocol.md',
  'CHANGELOG.md': 'contributing/changelog.md',
  'bench/README.md': 'contributing/benchmark.md',
};

/** Returns where each page goes, by its path in the repository. */
export function findPages() {
  const pages = new Map(Object.entries(PLACES));
  for (const entry of readdirSync(join(ROOT, 'docs'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.md')) continue;
    const path = toPosix(relative(ROOT, join(entry.parentPath, entry.name)));
    if (!pages.has(path)) pages.set(path, path.replace(/^docs\//, ''));
  }
  for (const name of readdirSync(join(ROOT, 'apps'))) {
    const path = `apps/${name}/README.md`;
    if (existsSync(join(ROOT, path))) pages.set(path, `examples/${name}.md`);
  }
  return pages;
}

/** Writes all pages and what they link to into `pages/`. Throws for a link that leads nowhere. */
export function layOut() {
  rmSync(OUT, { recursive: true, force: true });
  const pages = findPages();
  for (const [source, target] of pages) {
    const text = rewrite(readFileSync(join(ROOT, source), 'utf8'), { source, target, pages });
    write(target, source === 'README.md' ? asHome(text) : text);
  }
  // Pictures, at their places.
  cpSync(join(ROOT, 'docs'), OUT, { recursive: true, filter: (path) => !path.endsWith('.md') });
  mkdirSync(join(OUT, 'public'), { recursive: true });
  copyFileSync(join(ROOT, 'site/icon.svg'), join(OUT, 'public/icon.svg'));
}

/** The README with a head that has its first sentence and the ways to go on. */
function asHome(text) {
  const [, title, tagline, rest] = /^# (.+)\n\n([\s\S]+?)\n\n([\s\S]*)$/.exec(text) ?? [];
  if (title === undefined) throw new Error('README.md does not begin with a title and a paragraph');
  const head = {
    layout: 'home',
    hero: {
      name: title,
      text: 'A backend from one schema file',
      // The first sentence is the one above it.
      tagline: tagline.replace(/\s+/g, ' ').replace(/^.+?\. /, ''),
      actions: [
        { theme: 'brand', text: 'Get started', link: '/tutorials/get-started' },
        { theme: 'alt', text: 'All pages', link: '/pages' },
      ],
    },
  };
  return `---\n${JSON.stringify(head)}\n---\n\n${rest}`;
}

/** Rewrites the links of a page outside its code. A label may have code in it. */
function rewrite(text, context) {
  const code = [];
  const prose = text.replace(/^ *```[\s\S]*?^ *```$|`[^`\n]+`/gm, (written) => `\u0000${code.push(written) - 1}\u0000`);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a character that no page has
  return rewriteLinks(prose, context).replace(/\u0000(\d+)\u0000/g, (_, index) => code[index]);
}

function rewriteLinks(text, context) {
  return text.replace(/(!?)\[((?:[^[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)/g, (written, image, label, href) => {
    // Pictures are copied with the folder `docs`, which is the root of the site.
    if (image === '!') return written.replace('](docs/', '](');
    if (/^[a-z][a-z+.-]*:|^#/i.test(href)) return written;
    const target = resolveLink(href, context);
    return target === undefined ? label : `[${label}](${target})`;
  });
}

/** Returns the address on the site, or undefined for a folder, which has none. */
function resolveLink(href, { source, target, pages }) {
  const [path, anchor] = href.split('#');
  const file = posix.normalize(posix.join(posix.dirname(source), decodeURI(path)));
  const full = join(ROOT, file);
  if (!existsSync(full)) throw new Error(`${source}: ${href} leads nowhere`);
  const page = pages.get(file) ?? pages.get(`${file.replace(/\/$/, '')}/README.md`);
  const end = anchor === undefined ? '' : `#${anchor}`;
  if (page !== undefined) {
    const way = posix.relative(posix.dirname(target), page);
    return `${way.startsWith('.') ? way : `./${way}`}${end}`;
  }
  if (statSync(full).isDirectory()) return undefined;
  // With an ending that browsers show.
  const copy = `files/${file}${/\.(?:svg|png|json)$/.test(file) ? '' : '.txt'}`;
  write(`public/${copy}`, readFileSync(full));
  return `/${copy}`;
}

function write(path, content) {
  const file = join(OUT, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

const toPosix = (path) => path.replaceAll('\\', '/');
