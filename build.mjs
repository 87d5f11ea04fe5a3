// One file per entry instead of some four hundred modules: most of the time to the first answer was finding and
// compiling them. What a command does not need stays in chunks of its own that are loaded when they are.
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'rolldown';
import { buildConsole } from './console/build.mjs';
import { BundledPackages } from './scripts/bundled-packages.mjs';
import { serverBundle } from './scripts/server-bundle.mjs';

// Licences stay; what is said of functions is in the sources.
const COMMENTS = { legal: true, annotation: false, jsdoc: false };

const bundled = new BundledPackages();

await build(serverBundle('dist', [bundled.plugin]));

const client = (path) => JSON.stringify(fileURLToPath(new URL(`src/client/${path}`, import.meta.url)));
/** Names that a module exports. */
const namesIn = (url) =>
  [...readFileSync(url, 'utf8').matchAll(/^export (?:async )?(?:function|class|const) (\w+)/gm)].map(
    ([, name]) => name,
  );
const PAGE = `export * from ${client('index.ts')};
export { optimistic } from ${client('optimistic/optimistic.ts')};`;
const STUBS = [
  // Pages have a WebSocket, or use an event stream.
  ['/node-socket.ts', `export const nodeSocketClass = () => Promise.reject(Error('There is no WebSocket here.'));`],
  // Few connectors have a port of their own: the server has the file for them.
  [
    '/connector-socket.ts',
    `export const connectorSockets = async (environment) =>
      (await import(new URL('_/client-connector.js', environment.base).href)).connectorSockets(environment);`,
  ],
];

// The client for pages without a build: one file that imports nothing at first, with the writes that are shown at once.
await build({
  input: { 'client-page': 'page' },
  plugins: [
    {
      name: 'page',
      resolveId: (id) => (id === 'page' ? id : null),
      load: (id) => (id === 'page' ? PAGE : (STUBS.find(([file]) => id.endsWith(file))?.[1] ?? null)),
      // There is nothing to load later: without `import()` the bundle has no wrappers that start its modules one by one.
      transform: (code, id) => {
        const imports = [];
        const inlined = code.replace(/import\('(\.[^']+)'\)/g, (_, path) => {
          const exported = namesIn(new URL(path, pathToFileURL(id)));
          const names = exported.map((name) => [name, `${name}Later${imports.length}`]);
          imports.push(`import { ${names.map(([name, own]) => `${name} as ${own}`)} } from '${path}';\n`);
          return `Promise.resolve({ ${names.map(([name, own]) => `${name}: ${own}`)} })`;
        });
        return imports.join('') + inlined;
      },
    },
  ],
  platform: 'neutral',
  external: ['ws'],
  output: { dir: 'dist', format: 'esm', minify: true, comments: COMMENTS, cleanDir: false, codeSplitting: false },
});

await build({
  input: { 'client-connector': 'src/client/wire/connector-socket.ts' },
  platform: 'neutral',
  external: ['ws'],
  output: { dir: 'dist', format: 'esm', minify: true, comments: COMMENTS, cleanDir: false },
});

// The same for bundlers, which load what a page does not use at once, or not at all, from files of their own.
for (const [name, path] of [
  ['client', 'index'],
  ['client-optimistic', 'optimistic/optimistic'],
]) {
  await build({
    input: { [name]: `src/client/${path}.ts` },
    platform: 'neutral',
    external: ['ws'],
    // What is loaded later takes the rest from the entry, not from further files.
    preserveEntrySignatures: 'allow-extension',
    output: {
      dir: 'dist',
      format: 'esm',
      minify: true,
      comments: COMMENTS,
      cleanDir: false,
      chunkFileNames: 'client-chunks/[name]-[hash].js',
    },
  });
}

// What frameworks take of it: small files that the bundler of a page puts beside the client.
for (const name of ['react', 'svelte', 'vue', 'tanstack-db']) {
  await build({
    input: { [`client-${name}`]: `src/client/bindings/${name}.ts` },
    platform: 'neutral',
    external: ['react', 'vue', 'ws'],
    output: { dir: 'dist', format: 'esm', minify: true, comments: COMMENTS, cleanDir: false },
  });
}

await buildConsole('dist/console', bundled);
bundled.write('dist/THIRD-PARTY-LICENSES.txt');
