import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listFiles, listPages, ROOT, readPage, readProse } from './support/pages.ts';

interface Link {
  readonly page: string;
  readonly target: string;
}

function readLinks(page: string): Link[] {
  const text = readProse(page).replace(/``.+?``|`[^`\n]+`/g, 'code');
  return [...text.matchAll(/\]\(<?([^)>\s]+)>?(?: "[^"]*")?\)/g)].map(([, target = '']) => ({ page, target }));
}

/** The anchors of a page, as GitHub and the site make them from its headings. */
function readAnchors(page: string): Set<string> {
  const text = readProse(page);
  const seen = new Map<string, number>();
  const anchors = new Set<string>();
  for (const [, heading = ''] of text.matchAll(/^#{1,6} (.+)$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    anchors.add(times === 0 ? slug : `${slug}-${times}`);
  }
  for (const [, id = ''] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id);
  return anchors;
}

const isExternal = (target: string): boolean => /^[a-z][a-z+.-]*:/i.test(target);

/** Returns what is wrong with a link, or undefined. */
function findFault({ page, target }: Link): string | undefined {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), decodeURI(path)));
  if (file.startsWith('..') || !existsSync(join(ROOT, file))) return `${page}: ${target} leads nowhere`;
  if (anchor === undefined || !file.endsWith('.md')) return;
  return readAnchors(file).has(anchor) ? undefined : `${page}: ${target} names no heading of ${file}`;
}

describe('the pages', () => {
  const links = listPages().flatMap(readLinks);

  test('have links to pages and headings that exist', () => {
    const inner = links.filter(({ target }) => !isExternal(target));
    expect(inner.length).toBeGreaterThan(200);
    expect(inner.flatMap((link) => findFault(link) ?? [])).toEqual([]);
  });

  test('have links to other sites over TLS only, and addresses of this machine', () => {
    const plain = links.filter(
      ({ target }) => /^http:/.test(target) && !/^http:\/\/(?:localhost|127\.0\.0\.1)\b/.test(target),
    );
    expect(plain).toEqual([]);
  });

  test('are named in code by the paths that they have', () => {
    const folders = ['src', 'test', 'templates', 'packages', 'deploy', 'scripts', 'bench', '.ci'];
    const sources = folders.flatMap(listFiles).filter((file) => !/\.(?:md|db|ico|png|svg)$/.test(file));
    expect(sources.length).toBeGreaterThan(200);
    const gone = sources.flatMap((file) =>
      [...readPage(file).matchAll(/\bdocs\/[\w/-]+\.md\b/g)]
        .filter(([path]) => !existsSync(join(ROOT, path)))
        .map(([path]) => `${file}: ${path}`),
    );
    expect(gone).toEqual([]);
  });
});
