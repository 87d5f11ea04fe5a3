import type { Report } from '../../config/files/report.ts';
import { suggest } from '../../config/files/suggest.ts';
import type { FlatKeys } from '../../config/keys/section.ts';
import { choiceKey, required, textKey } from '../../config/keys/values.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { TablePlan } from '../../schema/plan.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorType,
  ConnectorUse,
  Deliver,
  DeliverTogether,
  Handle,
  SourceType,
  SourceUse,
  TargetType,
  TargetUse,
} from '../connector.ts';
import { CHANGE_MEMBERS, checkChangeFilter, makeChangeFilter } from './change-filter.ts';
import { checkMapping } from './check-mapping.ts';
import { ChangeSource } from './source.ts';
import { makeTableTarget, type TableOperation } from './target.ts';
import { makeTogether } from './together.ts';

/** Keys of `from:` of a flow that follows the changes of a table. */
export interface TableSourceSettings {
  readonly table: string;
  readonly filter: string | undefined;
  readonly start: 'now' | 'oldest';
}

export const TABLE_SOURCE_KEYS: FlatKeys<TableSourceSettings> = {
  table: required(textKey(undefined, { what: 'Export name of the table', shownDefault: 'required' })),
  filter: textKey(undefined, { what: 'Conditions on the records, as in the URL of a list', shownDefault: 'all' }),
  start: choiceKey(['now', 'oldest'], 'now', {
    what: 'Where a new flow begins: now, or with the oldest change in the log',
  }),
};

type ChangeOperation = 'create' | 'update' | 'delete' | 'change';

const CHANGES: Readonly<Record<ChangeOperation, string>> = {
  create: 'Records that were created',
  update: 'Records that were changed',
  delete: 'Records that were removed',
  change: 'All of these',
};

const TARGETS: Readonly<Record<TableOperation, string>> = {
  create: 'Stores a new record',
  upsert: 'Creates or replaces the record',
  update: 'Replaces the fields that are given',
  delete: 'Removes the record',
  publish: 'Sends a message to the channel of the table; nothing is stored',
};

function source(what: string): SourceType {
  return { what, keys: TABLE_SOURCE_KEYS, failure: 'redelivers', isPerFlow: true, members: CHANGE_MEMBERS };
}

function target(what: string): TargetType {
  return { what, keys: {}, target: 'name', needsTarget: true, isAtomic: true };
}

function mapValues<K extends string, V, R>(values: Readonly<Record<K, V>>, make: (value: V) => R): Record<K, R> {
  const entries = Object.entries<V>(values).map(([name, value]) => [name, make(value)]);
  return Object.fromEntries(entries) as Record<K, R>;
}

/** Tables of the application: changes as a source, complete across restarts, and writes as a target. */
export const tableConnector: ConnectorType<Record<string, never>> = {
  keys: {},
  isBuiltIn: true,
  sources: { named: mapValues(CHANGES, source) },
  targets: { named: mapValues(TARGETS, target), default: 'create' },
  check: checkTables,
  create: (_settings, context) => new TableConnector(context),
};

function checkTables({ plan, sources, targets }: ConnectorUse<Record<string, never>>, report: Report): void {
  const tables = new Map<string, TablePlan>();
  for (const table of plan.tables) if (table.exportName !== undefined) tables.set(table.exportName, table);
  const refuse = ({ section }: SourceUse | TargetUse, key: string, name: string) => {
    const hint = suggest(name, tables.keys()) ?? `there are: ${[...tables.keys()].join(', ')}`;
    const member = section.members.get(key) ?? section;
    report.add(member.diagnose({ message: `${member.path}: there is no exported table "${name}"`, hint }));
  };
  for (const use of sources) {
    const { table: name, filter } = use.settings as TableSourceSettings;
    const table = tables.get(name);
    const member = use.section.members.get('filter');
    if (table === undefined) refuse(use, 'table', name);
    else if (filter !== undefined && member !== undefined) checkChangeFilter(table, filter, member, report);
  }
  for (const use of targets) {
    const table = tables.get(use.target ?? '');
    if (use.target === undefined) continue;
    if (table === undefined) refuse(use, 'target', use.target);
    else checkMapping({ table, use, report });
  }
}

class TableConnector implements Connector {
  readonly name: string;
  readonly #context: ConnectorContext;
  readonly #sources: ChangeSource[] = [];
  #isStarted = false;
  #isStopped = false;
  #opening: Promise<void> | undefined;

  constructor(context: ConnectorContext) {
    this.name = context.name;
    this.#context = context;
  }

  listen({ flow, operation, settings }: SourceUse, handle: Handle): void {
    const { application, positions, onError } = this.#context;
    const { table: name, filter, start } = settings as TableSourceSettings;
    const { table } = this.#resource(name);
    const select = makeChangeFilter(table, { operation: operation as ChangeOperation, filter });
    this.#sources.push(
      new ChangeSource({ flow, table, log: application.log, select, start, positions, handle, onError }),
    );
  }

  target({ operation, target = '' }: TargetUse): Deliver {
    return makeTableTarget(this.#resource(target), operation as TableOperation);
  }

  together(uses: readonly TargetUse[]): DeliverTogether {
    const { transactions } = this.#context.application;
    const targets = uses.map(({ operation, target = '' }) => ({
      name: target,
      resource: this.#resource(target),
      operation: operation as TableOperation,
    }));
    return makeTogether(targets, transactions);
  }

  register(): void {
    this.#context.application.feed.listen({ changes: () => this.#wake() });
  }

  start(): Promise<void> {
    this.#opening = this.#open();
    return this.#opening;
  }

  /** Sources that are being opened are opened first, so that their positions are saved. */
  async stop(): Promise<void> {
    // What is open stops at once. A failure to open is reported by `start`.
    if (!this.#isStarted) {
      this.#isStopped = true;
      await this.#opening?.catch(() => {});
    }
    this.#isStarted = false;
    await Promise.all(this.#sources.map((one) => one.stop()));
  }

  abort(): void {}

  close(): void {}

  status(): { connections: number } {
    return { connections: 0 };
  }

  async #open(): Promise<void> {
    for (const one of this.#sources) await one.open();
    if (this.#isStopped) return;
    this.#isStarted = true;
    this.#wake();
  }

  #wake(): void {
    if (this.#isStarted) for (const one of this.#sources) one.wake();
  }

  #resource(name: string): TableResource {
    return this.#context.application.resources.get(name) as TableResource;
  }
}
