import { type Diagnostic, StartError } from '../config/files/diagnostic.ts';
import { findMeant } from '../config/files/suggest.ts';
import type { NamedHook } from './call.ts';
import type { Exports, ModuleLoader } from './module-loader.ts';

export const REALTIME_HOOKS = [
  'onRealtimeConnect',
  'onRealtimeDisconnect',
  'onRealtimeSubscribe',
  'onRealtimeUnsubscribe',
  'onRealtimeMessage',
  'onRoomJoin',
  'onRoomSend',
  'onRouteRequest',
] as const;
export const TABLE_HOOKS = ['beforeCreate', 'beforeUpdate', 'beforeDelete', 'afterChange'] as const;

export type RealtimeHookName = (typeof REALTIME_HOOKS)[number];
export type TableHookName = (typeof TABLE_HOOKS)[number];

/** Hooks of an application, in the order of its modules. */
export interface HookLists {
  readonly realtime: Map<RealtimeHookName, NamedHook[]>;
  /** Hooks by the export name of their table. */
  readonly tables: Map<string, Map<TableHookName, NamedHook[]>>;
}

export interface ReadHooksOptions {
  readonly loader: ModuleLoader;
  /** Absolute paths. */
  readonly paths: readonly string[];
  /** Export names of the tables. */
  readonly tables: ReadonlySet<string>;
}

/** Loads the modules and sorts their exports. Throws StartError with every export that is not a hook. */
export async function readHooks({ loader, paths, tables }: ReadHooksOptions): Promise<HookLists> {
  const lists: HookLists = { realtime: new Map(), tables: new Map() };
  const diagnostics: Diagnostic[] = [];
  for (const path of paths) {
    const exports = await loader.load(path);
    new ModuleReader({ path, loader, tables, lists, diagnostics }).read(exports);
  }
  if (diagnostics.length > 0) throw new StartError(diagnostics);
  return lists;
}

interface ReaderContext {
  readonly path: string;
  readonly loader: ModuleLoader;
  readonly tables: ReadonlySet<string>;
  readonly lists: HookLists;
  readonly diagnostics: Diagnostic[];
}

type HookFunction = NamedHook['call'];

class ModuleReader {
  readonly #context: ReaderContext;
  /** Hooks of this module, by their name in messages. */
  readonly #found = new Set<string>();

  constructor(context: ReaderContext) {
    this.#context = context;
  }

  read(exports: Exports): void {
    const { default: whole, ...named } = exports;
    this.#readMembers(named);
    // Modules that were CommonJS have their exports twice.
    if (isMapping(whole))
      this.#readMembers(Object.fromEntries(Object.entries(whole).filter(([, it]) => !isIn(named, it))));
    else if (whole !== undefined) this.#wrong('default', { message: 'the default export must be an object of hooks' });
    if (this.#found.size > 0 || this.#context.diagnostics.length > 0) return;
    this.#wrong('', {
      message: 'exports no hooks',
      hint: `a module of hooks exports ${REALTIME_HOOKS.join(', ')} or tables`,
    });
  }

  #readMembers(members: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(members)) {
      if (name === '__esModule') continue;
      if (name === 'tables') this.#readTables(value);
      else this.#readRealtime(name, value);
    }
  }

  #readRealtime(name: string, value: unknown): void {
    const hook = REALTIME_HOOKS.find((known) => known === name || toSnakeCase(known) === name);
    if (hook === undefined) {
      const known = [...REALTIME_HOOKS, ...REALTIME_HOOKS.map(toSnakeCase), 'tables'];
      this.#unknown({ what: `exports "${name}", which is not a hook`, name, known });
    } else this.#add(this.#context.lists.realtime, { hook, label: hook, name, value });
  }

  #readTables(value: unknown): void {
    if (!isMapping(value)) {
      this.#wrong('tables', { message: 'tables must be an object of tables' });
      return;
    }
    for (const [table, hooks] of Object.entries(value)) {
      if (!this.#context.tables.has(table)) {
        this.#unknown({ what: `there is no exported table "${table}"`, name: table, known: [...this.#context.tables] });
      } else if (!isMapping(hooks)) {
        this.#wrong(table, { message: `tables.${table} must be an object of hooks` });
      } else this.#readTable(table, hooks);
    }
  }

  #readTable(table: string, hooks: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(hooks)) {
      const hook = TABLE_HOOKS.find((known) => known === name || toSnakeCase(known) === name);
      if (hook === undefined) {
        this.#unknown({ what: `"${name}" of tables.${table} is not a hook`, name, known: TABLE_HOOKS });
        continue;
      }
      const { tables } = this.#context.lists;
      const list = tables.get(table) ?? new Map<TableHookName, NamedHook[]>();
      tables.set(table, list);
      this.#add(list, { hook, label: `${hook} of ${table}`, name, value });
    }
  }

  #add<Name>(
    list: Map<Name, NamedHook[]>,
    { hook, label, name, value }: { hook: Name; label: string; name: string; value: unknown },
  ): void {
    if (value === undefined) return;
    if (typeof value !== 'function' || this.#found.has(label)) {
      const message = typeof value === 'function' ? `the module has ${label} twice` : `${name} must be a function`;
      this.#wrong(name, { message });
      return;
    }
    this.#found.add(label);
    const hooks = list.get(hook) ?? [];
    list.set(hook, hooks);
    hooks.push({ name: label, call: value as HookFunction });
  }

  #unknown({ what, name, known }: { what: string; name: string; known: readonly string[] }): void {
    const meant = findMeant(name, known);
    this.#wrong(name, {
      message: what,
      hint: meant === undefined ? `known are ${known.join(', ')}` : `did you mean "${meant}"?`,
    });
  }

  #wrong(name: string, wrong: { message: string; hint?: string }): void {
    const { path, loader, diagnostics } = this.#context;
    const escaped = name.replace(/[^\w]/g, '\\$&');
    diagnostics.push(loader.diagnoseAt(path, name === '' ? /(?!)/ : new RegExp(`\\b${escaped}\\b`), wrong));
  }
}

function isIn(members: Readonly<Record<string, unknown>>, value: unknown): boolean {
  return Object.values(members).includes(value);
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function toSnakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
