// One file per entry instead of some four hundred modules: most of the time to the first answer was finding and
// compiling them. What a command does not need stays in chunks of its own that are loaded when they are.
import { build } from 'rolldown';
import { buildConsole } from './console/build.mjs';

await build({
  input: { cli: 'src/cli.ts', index: 'src/index.ts' },
  platform: 'node',
  // A native addon is found from its own folder, and so is the compiler of an application's modules.
  external: ['better-sqlite3', 'jiti'],
  output: { dir: 'dist', format: 'esm', sourcemap: true, chunkFileNames: 'chunks/[name]-[hash].js', cleanDir: true },
});

// The client runs in browsers as it is, without a build: one file that imports nothing there.
await build({
  input: { client: 'src/client/index.ts' },
  platform: 'neutral',
  external: ['ws'],
  output: { dir: 'dist', format: 'esm', minify: true, cleanDir: false },
});

// What frameworks take of it: small files that the bundler of a page puts beside the client.
for (const name of ['react', 'svelte', 'vue']) {
  await build({
    input: { [`client-${name}`]: `src/client/bindings/${name}.ts` },
    platform: 'neutral',
    external: ['react', 'vue', 'ws'],
    output: { dir: 'dist', format: 'esm', minify: true, cleanDir: false },
  });
}

await buildConsole('dist/console');
