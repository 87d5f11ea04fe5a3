import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { lazily } from '../parts/lazy.tsx';
import { ChangeList } from '../screens/change-list.tsx';
import { type LogEntry, readLog } from '../screens/log.ts';
import type { TablecastError } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';
import type { LiveRecord } from './live-record.ts';

const RestoreDialog = lazily(async () => (await import('../admin/restore-dialog.tsx')).RestoreDialog);

interface Props {
  readonly table: TableController;
  readonly live: LiveRecord;
}

/** What has become of a record, as far back as the log goes. */
export function History({ table, live }: Props): JSX.Element {
  const entries = useSignal<readonly LogEntry[] | undefined>(undefined);
  const error = useSignal<string | undefined>(undefined);
  const seq = live.seq.value;
  const restoring = useSignal<number | undefined>(undefined);
  useEffect(() => {
    const abort = new AbortController();
    readLog(table.app, { table: table.table.name, id: String(live.key), limit: 100 }, abort.signal)
      .then(({ entries: found }) => {
        entries.value = found;
      })
      .catch((thrown: TablecastError) => {
        if (!abort.signal.aborted) error.value = describeError(thrown);
      });
    return () => abort.abort();
  }, [table, live, seq, live.isGone.value]);
  if (error.value) return <p class="panel-note">{visible(error.value)}</p>;
  if (entries.value === undefined) return <p class="panel-note">Reading…</p>;
  return (
    <>
      <ChangeList entries={entries.value} restore={(at) => (restoring.value = at)} />
      <p class="panel-note">The log keeps changes for a time (events.retention): what was before is not here.</p>
      {restoring.value !== undefined && (
        <RestoreDialog
          app={table.app}
          table={table.table}
          id={live.key}
          seq={restoring.value}
          close={() => {
            restoring.value = undefined;
          }}
        />
      )}
    </>
  );
}
