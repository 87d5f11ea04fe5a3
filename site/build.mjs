// Builds the site into dist/: the pages below the version, and an address without one that leads there.
import { rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'vitepress';
import { layOut } from './pages.mjs';
import versions from './versions.json' with { type: 'json' };

const root = fileURLToPath(new URL('.', import.meta.url));
rmSync(new URL('dist', import.meta.url), { recursive: true, force: true });
layOut();
await build(root);
const [latest] = versions;
writeFileSync(
  new URL('dist/index.html', import.meta.url),
  `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tablecast</title><link rel="icon" href="v${latest}/icon.svg">
<meta http-equiv="refresh" content="0; url=v${latest}/"></head><body><a href="v${latest}/">Documentation</a></body></html>\n`,
);
