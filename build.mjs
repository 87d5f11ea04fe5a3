// One file per entry instead of some four hundred modules: most of the time to the first answer was finding and
// compiling them. What a command does not need stays in chunks of its own that are loaded when they are.
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { buildConsole } from './console/build.mjs';

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

await build({
  input: { cli: 'src/cli.ts', index: 'src/index.ts' },
  platform: 'node',
  // A native addon is found from its own folder, and so is the compiler of an application's modules. The other packages
  // are loaded by few applications or by none, and would have to be read at every start.
  external: [
    'better-sqlite3',
    'jiti',
    're2js',
    '@fastify/ajv-compiler',
    '@fastify/fast-json-stringify-compiler',
    '@fastify/static',
    'amqplib',
    'pg',
    'selfsigned',
  ],
  // The modules of graphql, of which only the parser and the printer are needed: `main` names all of it.
  resolve: { alias: { graphql: fileURLToPath(import.meta.resolve('graphql/index.mjs')) } },
  output: {
    dir: 'dist',
    format: 'esm',
    sourcemap: true,
    // Licences stay; what is said of functions is in the sources.
    comments: { legal: true, annotation: false, jsdoc: false },
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
