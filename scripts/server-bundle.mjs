// How the program is bundled.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

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

const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
/** Loaded by every server, whose start they would slow down; the client asks for them in Node only. */
const ALSO_BUNDLED = new Set(['ws']);
const KEPT_NAMES = { keepNames: { function: true, class: true } };

/** Returns the options of Rolldown for the program and the package's module, in a folder. */
export function serverBundle(dir, plugins) {
  return {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    input: { cli: 'src/cli.ts', index: 'src/index.ts' },
    platform: 'node',
    // Dependencies of the package are installed with it; everything else is bundled. Fastify asks for the compilers only
    // where none are given to it.
    external: [
      ...Object.keys(manifest.dependencies).filter((name) => !ALSO_BUNDLED.has(name)),
      '@fastify/ajv-compiler',
      '@fastify/fast-json-stringify-compiler',
    ],
    plugins,
    // The modules of graphql, of which only the parser and the printer are needed: `main` names all of it. And the streams
    // of Node, of which readable-stream is a copy for older versions.
    resolve: {
      alias: { graphql: fileURLToPath(import.meta.resolve('graphql/index.mjs')), 'readable-stream': 'node:stream' },
    },
    output: {
      dir,
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
  };
}
