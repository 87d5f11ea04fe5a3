import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** From left to right; each may use itself and what is before it. */
const LAYERS: readonly (readonly string[])[] = [
  ['client'],
  ['errors.ts', 'runtime'],
  ['config'],
  ['schema'],
  ['typegen'],
  ['query'],
  ['store'],
  ['events'],
  ['hub'],
  ['auth'],
  ['resources'],
  ['hooks'],
  ['server'],
  ['openapi'],
  ['transports'],
  ['connectors'],
  ['admin'],
  ['boot'],
  ['index.ts', 'commands'],
  ['cli.ts'],
];

/** Packages that only these files may know. */
const DRIVERS: Readonly<Record<string, RegExp>> = {
  'better-sqlite3': /^store\/sqlite\//,
  pg: /^store\/postgres\//,
  ws: /^(?:transports\/(?:socket|ws|multiplex|live|routes)\/|connectors\/rooms\/|commands\/conformance\/|client\/)/,
  '@fastify/websocket': /^transports\/socket\//,
  '@fastify/static': /^server\/web\/files\.ts$/,
  '@fastify/cors': /^server\/cors\.ts$/,
  '@fastify/helmet': /^server\/web\/page-headers\.ts$/,
  '@fastify/swagger-ui': /^openapi\/page\/files\.ts$/,
  fastify: /^(?:server|openapi|transports|connectors|admin|boot)\//,
  graphql: /^schema\//,
  yaml: /^config\//,
  pino: /^server\/operations\/log\.ts$/,
  'prom-client': /^server\/operations\/metrics\.ts$/,
  jiti: /^hooks\/module-loader\.ts$/,
  jose: /^auth\/credentials\/(?:tokens|jwks)\.ts$/,
  negotiator: /^server\/content\/negotiate\.ts$/,
  cborg: /^server\/content\/cbor\.ts$/,
  '@msgpack/msgpack': /^server\/content\/msgpack\.ts$/,
  selfsigned: /^server\/tls\.ts$/,
  '@marcbachmann/cel-js': /^connectors\/flows\/expressions\//,
  re2js: /^schema\/constraints\/pattern\.ts$/,
  croner: /^connectors\/schedule\//,
  chokidar: /^commands\/dev\//,
  amqplib: /^connectors\/rabbitmq\//,
  'close-with-grace': /^commands\//,
  uqr: /^commands\/qr-code\.ts$/,
  react: /^client\/bindings\/react\.ts$/,
  vue: /^client\/bindings\/vue\.ts$/,
};

/** Private members and events of Node's servers, sockets, requests and responses. */
const NODE_INTERNALS =
  /\b_(?:send|read|write|headerSent|httpMessage|handle|events|(?:read|writ)ableState)\b|\b(?:detachSocket|destroySoon|removeAllListeners|emitWarning|measureMemory|closeIdleConnections =|Object\.assign\((?:server|socket))|\.emit\('(?:close|resume|pause|listening|connection|session)'/;

interface Source {
  /** Path below `src`, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly string[];
}

const IMPORT = /(?:^(?:import|export)\b[^;'"]*?\bfrom\s*|^import\s*|\b(?:import|require\.resolve)\(\s*)'([^']+)'/gm;

function readSources(): Source[] {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return files.map((file) => {
    const text = readFileSync(join(SRC, file), 'utf8');
    return {
      path: file.split(sep).join('/'),
      text,
      imports: [...text.matchAll(IMPORT)].map(([, specifier]) => specifier as string),
    };
  });
}

const sources = readSources();
const paths = new Set(sources.map(({ path }) => path));

function layerOf(path: string): number {
  const [first = ''] = path.split('/');
  return LAYERS.findIndex((names) => names.includes(first));
}

/** Path below `src` of what a relative import names. */
function targetOf({ path }: Source, specifier: string): string {
  return relative(SRC, resolve(SRC, dirname(path), specifier))
    .split(sep)
    .join('/');
}

function relativeImports(source: Source): string[] {
  return source.imports.filter((it) => it.startsWith('.')).map((it) => targetOf(source, it));
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

describe('the source', () => {
  test('has a place in the order for each of its files', () => {
    expect(sources.length).toBeGreaterThan(80);
    expect(sources.filter(({ path }) => layerOf(path) < 0).map(({ path }) => path)).toEqual([]);
    for (const name of LAYERS.flat()) expect(sources.some(({ path }) => path.split('/')[0] === name)).toBe(true);
  });

  test('imports from the own folder and from the left only', () => {
    const wrong = sources.flatMap((source) =>
      relativeImports(source)
        .filter((target) => {
          const own = source.path.split('/')[0] === target.split('/')[0];
          return !own && layerOf(target) >= layerOf(source.path);
        })
        .map((target) => `${source.path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  test('has a client that stands alone: it runs in browsers', () => {
    const users = sources.filter((source) => relativeImports(source).some((target) => target.startsWith('client/')));
    expect(users.filter(({ path }) => !path.startsWith('client/'))).toEqual([]);
    const client = sources.filter(({ path }) => path.startsWith('client/'));
    expect(client.flatMap((source) => relativeImports(source)).filter((it) => !it.startsWith('client/'))).toEqual([]);
    // The bindings are for pages that have their framework.
    const core = client.filter(({ path }) => !path.startsWith('client/bindings/'));
    expect(core.flatMap(({ imports }) => imports).filter((it) => !it.startsWith('.'))).toEqual(['ws']);
  });

  test('imports files that exist, with their ending', () => {
    const found = sources.flatMap((source) => relativeImports(source));
    expect(found.length).toBeGreaterThan(200);
    expect(found.filter((target) => !paths.has(target))).toEqual([]);
  });

  test('has no circle of imports between files', () => {
    const open = new Set<string>();
    const done = new Set<string>();
    const circles: string[] = [];
    const visit = (path: string): void => {
      if (done.has(path)) return;
      if (open.has(path)) {
        circles.push([...open].join(' > '));
        return;
      }
      open.add(path);
      const source = sources.find((it) => it.path === path);
      if (source !== undefined) for (const target of valueImports(source)) visit(target);
      open.delete(path);
      done.add(path);
    };
    for (const { path } of sources) visit(path);
    expect(circles).toEqual([]);
  });

  test.each(Object.entries(DRIVERS))('knows %s only where it belongs', (name, where) => {
    const users = sources.filter(({ imports }) => imports.some((it) => packageOf(it) === name)).map(({ path }) => path);
    expect(users).not.toEqual([]);
    expect(users.filter((path) => !where.test(path))).toEqual([]);
  });

  test('uses only packages that the product depends on, or that the build bundles', () => {
    const manifest = readFileSync(join(SRC, '..', 'package.json'), 'utf8');
    const { dependencies, devDependencies, peerDependencies } = JSON.parse(manifest) as Record<string, object>;
    // A page that uses a binding has its framework.
    const known = { ...dependencies, ...devDependencies, ...peerDependencies };
    const used = sources
      .flatMap(({ imports }) => imports)
      .filter((it) => !it.startsWith('.') && !it.startsWith('node:'));
    const names = new Set(used.map(packageOf));
    expect([...names].filter((name) => !Object.hasOwn(known, name))).toEqual([]);
    expect(Object.keys(dependencies ?? {}).filter((name) => !names.has(name))).toEqual([]);
  });

  test('has no file of more than 400 lines', () => {
    const long = sources.map(({ path, text }) => [path, text.trimEnd().split('\n').length] as const);
    expect(long.filter(([, lines]) => lines > 400)).toEqual([]);
  });

  test('writes to the console only in the commands', () => {
    const loud = sources
      // Examples in doc comments may print.
      .filter(({ text }) => /\bconsole\.|process\.std(?:out|err)\b/.test(text.replace(/^\s*\*.*$/gm, '')))
      .map(({ path }) => path);
    expect(loud.filter((path) => !/^(?:commands\/|cli\.ts$)/.test(path))).toEqual([]);
  });

  test('keeps SQL and the name of an engine in the folder of the engine', () => {
    const outside = sources.filter(({ path }) => !/^store\/(?:sqlite|postgres)\//.test(path));
    const sql = outside.filter(({ text }) => /\b(?:SELECT|INSERT INTO|DELETE FROM|PRAGMA|json_each)\b/.test(text));
    expect(sql.map(({ path }) => path)).toEqual([]);
    const namers = outside.filter(({ text }) => /['"](?:sqlite|postgres)['"]/.test(text)).map(({ path }) => path);
    expect(namers).toEqual([]);
    const isEngine = (it: string) => /^store\/(?:sqlite|postgres)\//.test(it);
    const importers = outside.filter((source) => relativeImports(source).some(isEngine));
    expect(importers.map(({ path }) => path)).toEqual(['store/index.ts']);
    const mixed = sources.filter(({ path, imports }) =>
      imports.some(
        (it) =>
          it.includes(path.startsWith('store/sqlite/') ? '/postgres/' : '/sqlite/') &&
          path.startsWith('store/') &&
          path !== 'store/index.ts',
      ),
    );
    expect(mixed.map(({ path }) => path)).toEqual([]);
  });

  test('has a boot that reads like a list: at most 15 imports, and no transport by name', () => {
    const boot = sources.find(({ path }) => path === 'boot/boot.ts') as Source;
    expect(boot.imports.length).toBeLessThanOrEqual(15);
    expect(boot.imports.filter((it) => /transports\/(?!transport\.ts)|connectors\//.test(it))).toEqual([]);
  });

  test('has no folder of more than 14 files', () => {
    const sizes = new Map<string, number>();
    for (const { path } of sources) sizes.set(dirname(path), (sizes.get(dirname(path)) ?? 0) + 1);
    expect([...sizes].filter(([, files]) => files > 14)).toEqual([]);
  });

  test('has at most 40 files of 30 lines or less: what is too small to be a thought belongs to its user', () => {
    const small = sources.filter(({ text }) => text.trimEnd().split('\n').length <= 30).map(({ path }) => path);
    expect(small.length, small.join('\n')).toBeLessThanOrEqual(40);
  });

  test('binds no limit that SQLite would plan by', () => {
    const bound = sources.filter(({ text }) => /\bLIMIT \?(?! \+ 0)/.test(text)).map(({ path }) => path);
    expect(bound, 'see store/sqlite/sql/limit.ts').toEqual([]);
  });

  test('uses private APIs of Node in src/server/node only', () => {
    const used = sources.filter(({ path, text }) => path.startsWith('server/') && NODE_INTERNALS.test(text));
    expect(used.map(({ path }) => path).filter((path) => !path.startsWith('server/node/'))).toEqual([]);
    const folder = sources.filter(({ path }) => path.startsWith('server/node/'));
    const silent = folder.filter(
      ({ text }) => !/^\/\/ (?:Private|Experimental) Node [^\n]*\n(?:\/\/[^\n]*\n)*/.test(text),
    );
    expect(
      silent.map(({ path }) => path),
      'a file says first what it uses, and until when',
    ).toEqual([]);
    expect(folder.filter((source) => !used.includes(source)).map(({ path }) => path)).toEqual([]);
  });

  test('keeps no state in a module but where a file says here why', () => {
    const stateful = sources.filter(({ path, text }) => !path.startsWith('openapi/page/') && MODULE_STATE.test(text));
    expect(stateful.map(({ path }) => path).sort()).toEqual(Object.keys(STATEFUL).sort());
  });

  test('has no default export and no enum', () => {
    const found = sources.filter(({ text }) => /^export default\b|^(?:export )?(?:const )?enum\s/m.test(text));
    expect(found.map(({ path }) => path)).toEqual([]);
  });
});

/** A variable of a module that changes, or a collection that begins empty: a `ReadonlyMap` stays so. */
const MODULE_STATE = /^(?:export )?(?:let |const \w+ = new (?:Weak)?(?:Map|Set)\b[^;]*\(\);)/m;

const STATEFUL: Readonly<Record<string, string>> = {
  'server/node/lingering.ts': 'by server: Fastify has no place for it before its plugins are loaded',
  'server/node/open-sockets.ts': 'by server, as above',
  'server/checks/known-methods.ts': 'by server, as above',
  'transports/socket/scope.ts': 'by server and by request, for the plugin of WebSockets, which passes nothing on',
  'server/tls.ts': 'certificates that are being made, by folder: two applications of a process use one',
  'resources/body/json.ts': 'the written text of rounded numbers, by parsed value: not a memo, it cannot be made again',
  'connectors/flows/expressions/cel.ts': 'the environment of the library: a constant that is made when a flow needs it',
  'connectors/flows/expressions/matches.ts': 'the library calls a function of the environment with its arguments alone',
  'runtime/event-loop.ts': 'a process has one event loop',
  'client/live/frame-clock.ts': 'a page has one sequence of frames',
  'commands/dev/supervised.ts': 'a process has one parent',
};

/** Imports that are there when the program runs. */
function valueImports(source: Source): string[] {
  const text = source.text.replace(/^(?:import|export) type\b[^;]*;$/gm, '').replace(/\bimport\(\s*'[^']+'\s*\)/g, '');
  return [...text.matchAll(IMPORT)]
    .map(([, specifier]) => specifier as string)
    .filter((it) => it.startsWith('.'))
    .map((it) => targetOf(source, it));
}
