import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { Note } from '../parts/note.tsx';
import { go, paths, place } from '../state/address.ts';
import type { TablecastError } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { schema } from '../state/schema.ts';
import { visible } from '../state/text.ts';
import { ChangeList } from './change-list.tsx';
import { type Log, readAudit, readLog } from './log.ts';
import { followTables, withNewest, withOlder } from './tail.ts';

const PAGE = 50;

interface Props {
  readonly app: string;
  /** The log of changes, or the audit log, which says by whom. */
  readonly source: 'changes' | 'audit';
}

/** All changes of an application, the newest first; new ones come on top as they are made. */
export function ChangesScreen({ app, source }: Props): JSX.Element {
  const log = useSignal<Log | undefined>(undefined);
  const error = useSignal<TablecastError | undefined>(undefined);
  /** Entries after this position came while the page was open: they light up. */
  const opened = useSignal(Number.POSITIVE_INFINITY);
  const isPaused = useSignal(false);
  const { search } = place.value;
  const table = new URLSearchParams(search).get('table') ?? undefined;
  const tables = schema.value?.tables;
  const load = async (before: number | undefined, signal: AbortSignal) => {
    const query = { ...(table !== undefined && { table }), ...(before !== undefined && { before }), limit: PAGE };
    try {
      const found = await (source === 'audit' ? readAudit : readLog)(app, query, signal);
      const known = log.peek();
      log.value = before === undefined ? withNewest(known, found) : withOlder(known, found);
      error.value = undefined;
    } catch (thrown) {
      if (!signal.aborted) error.value = thrown as TablecastError;
    }
  };
  useEffect(() => {
    log.value = undefined;
    opened.value = Number.POSITIVE_INFINITY;
  }, [app, source, table]);
  useEffect(() => {
    if (isPaused.value || tables === undefined) return undefined;
    const abort = new AbortController();
    void load(undefined, abort.signal).then(() => {
      if (opened.peek() === Number.POSITIVE_INFINITY) opened.value = log.peek()?.entries[0]?.seq ?? 0;
    });
    const names = table === undefined ? tables.map(({ name }) => name) : [table];
    const stop = followTables(app, names, () => void load(undefined, abort.signal));
    return () => {
      abort.abort();
      stop();
    };
  }, [app, source, table, tables, isPaused.value]);
  const next = log.value?.next;
  return (
    <div class="page">
      <div class="page-tools">
        <label class="inline">
          Table
          <select
            value={table ?? ''}
            onChange={({ currentTarget: { value } }) =>
              go(paths.screen(app, source, value === '' ? '' : `table=${value}`))
            }
          >
            <option value="">all</option>
            {schema.value?.tables.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <button
          type="button"
          aria-pressed={!isPaused.value}
          title={isPaused.value ? 'Go on live' : 'Pause: the list stays as it is'}
          onClick={() => (isPaused.value = !isPaused.value)}
        >
          <Icon name={isPaused.value ? 'play' : 'pause'} /> {isPaused.value ? 'Go live' : 'Pause'}
        </button>
      </div>
      {error.value && <Refused error={error.value} source={source} />}
      {log.value && !error.value && <ChangeList entries={log.value.entries} named since={opened.value} />}
      {next !== undefined && !error.value && (
        <button type="button" class="more" onClick={() => void load(next, new AbortController().signal)}>
          Older
        </button>
      )}
    </div>
  );
}

function Refused({ error, source }: { readonly error: TablecastError; readonly source: string }): JSX.Element {
  if (error.status === 404 && source === 'audit') {
    return (
      <Note icon="scroll-text" title="No table keeps an audit log">
        <p>
          Write <code>@audit</code> at a type, and every change of it is kept here with its author.
        </p>
      </Note>
    );
  }
  return (
    <Note icon="circle-alert" title="Not read">
      <p>{visible(describeError(error))}</p>
    </Note>
  );
}
