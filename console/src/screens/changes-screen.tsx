import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { Note } from '../parts/note.tsx';
import { go, paths, place } from '../state/address.ts';
import type { TablecastError } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { schema } from '../state/schema.ts';
import { visible } from '../state/text.ts';
import { ChangeList } from './change-list.tsx';
import { type LogEntry, readAudit, readLog } from './log.ts';

const PAGE = 50;

interface Props {
  readonly app: string;
  /** The log of changes, or the audit log, which says by whom. */
  readonly source: 'changes' | 'audit';
}

/** All changes of an application, the newest first. */
export function ChangesScreen({ app, source }: Props): JSX.Element {
  const entries = useSignal<readonly LogEntry[] | undefined>(undefined);
  const next = useSignal<number | undefined>(undefined);
  const error = useSignal<TablecastError | undefined>(undefined);
  const { search } = place.value;
  const table = new URLSearchParams(search).get('table') ?? undefined;
  const read = source === 'audit' ? readAudit : readLog;
  const load = async (before: number | undefined, signal: AbortSignal) => {
    const query = { ...(table !== undefined && { table }), ...(before !== undefined && { before }), limit: PAGE };
    try {
      const found = await read(app, query, signal);
      entries.value = before === undefined ? found.entries : [...(entries.value ?? []), ...found.entries];
      next.value = found.next;
      error.value = undefined;
    } catch (thrown) {
      if (!signal.aborted) error.value = thrown as TablecastError;
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    void load(undefined, abort.signal);
    return () => abort.abort();
  }, [app, source, table]);
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
        <button type="button" onClick={() => void load(undefined, new AbortController().signal)}>
          Read again
        </button>
      </div>
      {error.value && <Refused error={error.value} source={source} />}
      {entries.value && !error.value && <ChangeList entries={entries.value} named />}
      {next.value !== undefined && !error.value && (
        <button type="button" class="more" onClick={() => void load(next.value, new AbortController().signal)}>
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
