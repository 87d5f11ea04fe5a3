// Navigation of the site: the sections and groups of docs/README.md, and after them pages that it does not name.
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { findPages, ROOT } from './pages.mjs';

/** Folders of the sections of docs/README.md. */
const FOLDERS = {
  Tutorials: 'tutorials',
  'How-to guides': 'how-to',
  Reference: 'reference',
  Explanation: 'explanation',
  Contributing: 'contributing',
};
export const SECTIONS = Object.keys(FOLDERS);

/** Returns the sections of the side bar: `{ text, items }`, with groups in `items` where a section has some. */
export function readSections() {
  const pages = findPages();
  const text = readFileSync(join(ROOT, 'docs/README.md'), 'utf8');
  const named = new Set();
  const sections = SECTIONS.map((title) => {
    const [, part] = text.split(new RegExp(`^## ${title}$`, 'm'));
    if (part === undefined) throw new Error(`docs/README.md has no section "${title}"`);
    const [body] = part.split(/^## /m);
    const bullets = body.split(/^- /m).slice(1);
    return { text: title, items: bullets.flatMap((bullet) => readBullet(bullet, { pages, named })) };
  });
  for (const [source, page] of pages) {
    const section = sections.find(({ text: title }) => page.startsWith(`${FOLDERS[title]}/`));
    if (section !== undefined && !named.has(page)) section.items.push({ text: titleOf(source), link: linkTo(page) });
  }
  return sections;
}

/** A group, `Users: [A](a.md) · [B](b.md)`, or a link, `[A](a.md): what it is about`. */
function readBullet(bullet, { pages, named }) {
  const links = [...bullet.matchAll(/\[([^\]]+)\]\(([^)#]+)[^)]*\)/g)].flatMap(([, text, href]) => {
    const page = pages.get(posix.normalize(posix.join('docs', href)));
    if (page === undefined) return [];
    named.add(page);
    return [{ text: text.replaceAll('`', ''), link: linkTo(page) }];
  });
  const [, group] = /^([^[\]:]+):/.exec(bullet) ?? [];
  return group === undefined ? links : [{ text: group, collapsed: false, items: links }];
}

function titleOf(source) {
  return /^# (.+)$/m.exec(readFileSync(join(ROOT, source), 'utf8'))?.[1]?.replaceAll('`', '') ?? source;
}

const linkTo = (page) => `/${page.replace(/\.md$/, '').replace(/(^|\/)index$/, '$1')}`;
