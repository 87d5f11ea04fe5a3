import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { Note } from '../parts/note.tsx';
import { hrefOf, paths, SERVER_URL } from '../state/address.ts';
import { ask } from '../state/http.ts';
import { type Schema, schema, type Table } from '../state/schema.ts';
import { entryOf } from '../state/session.ts';
import { formatCount, formatTime, timeOfSeq, visible } from '../state/text.ts';

const COUNT_TIMEOUT_MS = 2_000;

/** The application at a glance: its tables, how much is in them, and where the log stands. */
export function Overview({ app }: { readonly app: string }): JSX.Element | null {
  const found = schema.value;
  const head = useSignal<number | undefined>(undefined);
  const first = found?.tables[0]?.name;
  useEffect(() => {
    if (first === undefined) return;
    const abort = new AbortController();
    ask(app, `${encodeURIComponent(first)}?limit=1`, { signal: abort.signal })
      .then(({ headers }) => {
        head.value = Number(headers.get('x-position')) || undefined;
      })
      .catch(() => undefined);
    return () => abort.abort();
  }, [app, first]);
  if (found === undefined) return null;
  if (found.tables.length === 0) return <NoTables />;
  return (
    <div class="page overview">
      <dl class="facts">
        <div>
          <dt>Tables</dt>
          <dd>{found.tables.length}</dd>
        </div>
        {head.value !== undefined && (
          <div>
            <dt>Last change</dt>
            <dd title={`seq ${head.value}`}>{formatTime(timeOfSeq(head.value))}</dd>
          </div>
        )}
        {found.admin && <LiveFacts app={app} />}
        <div>
          <dt>Callers</dt>
          <dd>{callersOf(app)}</dd>
        </div>
      </dl>
      <h2 class="section">Tables</h2>
      <ul class="cards">
        {found.tables.map((table) => (
          <TableCard key={table.name} app={app} table={table} />
        ))}
      </ul>
      <Links app={app} found={found} />
    </div>
  );
}

/** How far the log reaches back, and how many connections are open. */
function LiveFacts({ app }: { readonly app: string }): JSX.Element {
  const start = useSignal<number | undefined>(undefined);
  const open = useSignal<number | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    const { signal } = abort;
    const read = <T,>(path: string, take: (data: T) => void) =>
      ask<T>(app, `_/admin/${path}`, { signal }).then(
        ({ data }) => take(data),
        () => undefined,
      );
    void read<{ start: number; head: number }>('log?limit=1', (log) => {
      if (log.start > 0 && log.start < log.head) start.value = log.start;
    });
    void read<{ open: number }>('connections', (connections) => (open.value = connections.open));
    return () => abort.abort();
  }, [app]);
  return (
    <>
      {start.value !== undefined && (
        <div>
          <dt>Log since</dt>
          <dd title={`seq ${start.value}`}>
            <a href={hrefOf(paths.screen(app, 'changes'))}>{formatTime(timeOfSeq(start.value))}</a>
          </dd>
        </div>
      )}
      {open.value !== undefined && (
        <div>
          <dt>Open connections</dt>
          <dd>
            <a href={hrefOf(paths.screen(app, 'connections'))}>{formatCount(open.value)}</a>
          </dd>
        </div>
      )}
    </>
  );
}

function callersOf(app: string): string {
  const auth = entryOf(app)?.auth;
  return auth === 'none' ? 'not asked' : auth === 'users' ? 'name and password' : 'token or API key';
}

function TableCard({ app, table }: { readonly app: string; readonly table: Table }): JSX.Element {
  const count = useSignal<string>('…');
  useEffect(() => {
    const signal = AbortSignal.timeout(COUNT_TIMEOUT_MS);
    ask(app, `${encodeURIComponent(table.name)}?limit=1&count=true`, { signal })
      .then(({ headers }) => {
        const total = Number(headers.get('x-total-count'));
        count.value = `${formatCount(total)} ${total === 1 ? 'record' : 'records'}`;
      })
      .catch(({ status }: { status?: number }) => {
        count.value = status === 403 || status === 401 ? 'not allowed' : 'many records';
      });
  }, [app, table]);
  return (
    <li>
      <a class="card" href={hrefOf(paths.table(app, table.name))}>
        <strong>{visible(table.name)}</strong>
        <span class="count">{count.value}</span>
        {table.description && <p>{visible(table.description)}</p>}
        <span class="fields">
          {table.fields
            .filter(({ hidden }) => !hidden)
            .slice(0, 8)
            .map(({ name }) => visible(name))
            .join(' · ')}
          {table.fields.length > 8 && ' …'}
        </span>
      </a>
    </li>
  );
}

function Links({ app, found }: { readonly app: string; readonly found: Schema }): JSX.Element {
  const at = (path: string) => new URL(`${encodeURIComponent(app)}/${path}`, SERVER_URL).href;
  const entry = entryOf(app);
  return (
    <>
      <h2 class="section">Elsewhere</h2>
      <ul class="links">
        {entry?.page && (
          <li>
            <a href={at('')} target="_blank" rel="noreferrer noopener">
              <Icon name="link" /> The application’s page
            </a>
          </li>
        )}
        {entry?.docs !== false && (
          <li>
            <a href={at('_/docs')} target="_blank" rel="noreferrer noopener">
              <Icon name="book-open" /> API page
            </a>
          </li>
        )}
        <li>
          <a href={hrefOf(paths.screen(app, 'channels'))}>
            <Icon name="radio" /> Listen to a channel
          </a>
        </li>
        {found.admin && (
          <li>
            <a href={hrefOf(paths.screen(app, 'changes'))}>
              <Icon name="history" /> What has changed
            </a>
          </li>
        )}
      </ul>
    </>
  );
}

function NoTables(): JSX.Element {
  return (
    <Note icon="table-2" title="No tables yet">
      <p>Write a type into schema.graphql; it appears here after the start.</p>
      <pre>{'type Message @table @export {\n  id: ID! @primaryKey\n  title: String!\n}'}</pre>
    </Note>
  );
}
