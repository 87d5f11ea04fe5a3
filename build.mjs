// One file per entry instead of some four hundred modules: most of the time to the first answer was finding and
// compiling them. What a command does not need stays in chunks of its own that are loaded when they are.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { buildConsole } from './console/build.mjs';
import { BundledPackages } from './scripts/bundled-packages.mjs';

// What every start of a server loads, in one chunk: sixty small ones took a third longer to find, read and link. The parts
// that few applications use (accounts, PostgreSQL, connectors, the API page, other content types) stay apart.
const SERVER_FOLDERS = [
  '(runtime|config|schema|query|events|hub|resources|boot)/',
  'auth/policy/',
  'store/(?!postgres|sqlite/(accounts|backup|flows|snapshot))',
  'transports/(rest|sse|ws|socket|stream|transactions|multiplex)/',
  'server/(?!web|content/(cbor|csv|msgpack|ndjson))',
];
const SERVER = new RegExp(`/src/(?:${SERVER_FOLDERS.join('|')})`);

// Licences stay; what is said of functions is in the sources.
const COMMENTS = { legal: true, annotation: false, jsdoc: false };

const manifest = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8'));
/** Loaded by every server, whose start they would slow down; the client asks for them in Node only. */
const ALSO_BUNDLED = new Set(['ws']);
const bundled = new BundledPackages();
const KEPT_NAMES = { keepNames: { function: true, class: true } };

await build({
  input: { cli: 'src/cli.ts', index: 'src/index.ts' },
  platform: 'node',
  // Dependencies of the package are installed with it; everything else is bundled. Fastify asks for the compilers only
  // where none are given to it.
  external: [
    ...Object.keys(manifest.dependencies).filter((name) => !ALSO_BUNDLED.has(name)),
    '@fastify/ajv-compiler',
    '@fastify/fast-json-stringify-compiler',
  ],
  plugins: [bundled.plugin],
  // The modules of graphql, of which only the parser and the printer are needed: `main` names all of it. And the streams
  // of Node, of which readable-stream is a copy for older versions.
  resolve: {
    alias: { graphql: fileURLToPath(import.meta.resolve('graphql/index.mjs')), 'readable-stream': 'node:stream' },
  },
  output: {
    dir: 'dist',
    format: 'esm',
    sourcemap: true,
    // A stack names its functions and classes; the names inside them take a third of the package.
    minify: { compress: KEPT_NAMES, mangle: KEPT_NAMES, codegen: { removeWhitespace: true, legalComments: 'none' } },
    chunkFileNames: 'chunks/[name]-[hash].js',
    codeSplitting: {
      groups: [
        // Help says what was meant, and loads nothing of the server.
        { name: 'suggest', test: /\/src\/config\/files\/suggest/, priority: 1 },
        { name: 'server', test: SERVER },
      ],
    },
    cleanDir: true,
  },
});

const client = (path) => JSON.stringify(fileURLToPath(new URL(`src/client/${path}`, import.meta.url)));
const PAGE = `export * from ${client('index.ts')};
export { optimistic } from ${client('optimistic/optimistic.ts')};`;

// The client for pages without a build: one file that imports nothing there, with the writes that are shown at once.
await build({
  input: { 'client-page': 'page' },
  plugins: [
    {
      name: 'page',
      resolveId: (id) => (id === 'page' ? id : null),
      load: (id) => (id === 'page' ? PAGE : null),
      // There is nothing to load later: without `import()` the bundle has no wrappers that start its modules one by one.
      transform: (code) => {
        const modules = [];
        const inlined = code.replace(
          /import\(('\.[^']+')\)/g,
          (_, path) => `Promise.resolve(later${modules.push(path) - 1})`,
        );
        return modules.map((path, i) => `import * as later${i} from ${path};\n`).join('') + inlined;
      },
    },
  ],
  platform: 'neutral',
  external: ['ws'],
  output: { dir: 'dist', format: 'esm', minify: true, comments: COMMENTS, cleanDir: false, codeSplitting: false },
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
