import { readFileSync } from 'node:fs';
import { defineConfig } from 'vitepress';
import { readSections } from '../navigation.mjs';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
const [major, minor] = version.split('.');
/** The latest one first, each at an address of its own. */
const VERSIONS = JSON.parse(readFileSync(new URL('../versions.json', import.meta.url), 'utf8'));
const current = `${major}.${minor}`;
if (VERSIONS[0] !== current)
  throw new Error(`site/versions.json does not begin with "${current}", the version of package.json`);

const sections = readSections();
const folderOf = ({ text }) => (text === 'How-to guides' ? 'how-to' : text.toLowerCase());
/** All sections; those other than `own` are folded. */
const sideBar = (own) => sections.map((section) => ({ ...section, collapsed: own !== undefined && section !== own }));
const firstLink = ({ items: [first] }) => first.link ?? first.items[0].link;

/** Anchors as code hosts make them, which the links of the pages are written for. */
function slugify(heading) {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-');
}

export default defineConfig({
  lang: 'en',
  title: 'Tablecast',
  description: 'A backend from one schema file: stored tables, a REST API and live channels that never lose a change.',
  base: `/v${current}/`,
  srcDir: 'pages',
  outDir: `dist/v${current}`,
  cacheDir: 'node_modules/.vitepress',
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: `/v${current}/icon.svg` }]],
  metaChunk: true,
  // Pages name addresses of a server on the reader's machine.
  ignoreDeadLinks: [/^https?:\/\/(?:localhost|127\.0\.0\.1)/],
  markdown: {
    anchor: { slugify },
    languageAlias: { console: 'shell', caddyfile: 'txt', cel: 'js' },
  },
  themeConfig: {
    logo: '/icon.svg',
    search: { provider: 'local' },
    outline: [2, 3],
    sidebar: {
      ...Object.fromEntries(sections.map((section) => [`/${folderOf(section)}/`, sideBar(section)])),
      '/': sideBar(),
    },
    nav: [
      ...sections.map((section) => ({
        text: section.text,
        link: firstLink(section),
        activeMatch: `^/${folderOf(section)}/`,
      })),
      {
        text: `v${version}`,
        items: [
          { text: 'Changelog', link: '/contributing/changelog' },
          ...VERSIONS.map((one) => ({
            text: one === current ? `${one} (this one)` : one,
            link: `/v${one}/`.replace(`/v${current}/`, '/'),
            ...(one === current ? {} : { target: '_self' }),
          })),
        ],
      },
    ],
  },
});
