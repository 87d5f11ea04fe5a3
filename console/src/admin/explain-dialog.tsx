import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { copyText } from '../parts/copy.ts';
import { Dialog } from '../parts/dialog.tsx';
import { FieldError } from '../parts/field-error.tsx';
import { Icon } from '../parts/icon.tsx';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { formatCount, visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';

interface Explained {
  /** Steps of the plan in the words of the database. */
  readonly steps: readonly string[];
  readonly indexes: readonly string[];
  /** Every record is read, or all are sorted. */
  readonly scans: boolean;
  readonly returned: number;
  readonly ms: number;
  readonly refused: string | null;
  /** Directive with which an index would find the records. */
  readonly advice: string | null;
}

interface Props {
  readonly table: TableController;
  close(): void;
}

/** How the database finds the records of the current query, and what that costs. */
export function ExplainDialog({ table, close }: Props): JSX.Element {
  const found = useSignal<Explained | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const { app, query } = table;
  const { name } = table.table;
  useEffect(() => {
    const abort = new AbortController();
    const search = query.search === '' ? '' : `?${query.search}`;
    ask<Explained>(app, `_/admin/explain/${encodeURIComponent(name)}${search}`, { signal: abort.signal })
      .then(({ data }) => {
        found.value = data;
      })
      .catch((error) => {
        if (!abort.signal.aborted) failure.value = describeError(error);
      });
    return () => abort.abort();
  }, [app, name, query.search]);
  return (
    <Dialog title="How this query is answered" wide close={close}>
      <div class="dialog-body">
        <p class="soft">
          <code>{visible(query.search === '' ? name : `${name}?${query.search}`)}</code>
        </p>
        <FieldError text={failure.value} />
        {found.value && <Plan plan={found.value} />}
      </div>
      <footer>
        <button type="button" onClick={close}>
          Close
        </button>
      </footer>
    </Dialog>
  );
}

function Plan({ plan }: { readonly plan: Explained }): JSX.Element {
  const { steps, indexes, scans, returned, ms, refused, advice } = plan;
  return (
    <>
      <dl class="facts">
        <div>
          <dt>Records read by</dt>
          <dd>{scans ? 'scan' : 'index'}</dd>
        </div>
        <div>
          <dt>Returned</dt>
          <dd>{formatCount(returned)}</dd>
        </div>
        <div>
          <dt>Time</dt>
          <dd>{ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms</dd>
        </div>
      </dl>
      {refused && <p class="field-error">{visible(refused)}</p>}
      {scans && !refused && (
        <p class="soft">It reads or sorts every record, which is fast only as long as the table is small.</p>
      )}
      {indexes.length > 0 && (
        <p>
          Indexes: <code>{visible(indexes.join(', '))}</code>
        </p>
      )}
      <ol class="plan">
        {steps.map((step) => (
          <li key={step}>
            <code>{visible(step)}</code>
          </li>
        ))}
      </ol>
      {advice && (
        <p class="advice">
          An index makes it fast: <code>{visible(advice)}</code>{' '}
          <button type="button" class="quiet" aria-label="Copy" onClick={() => void copyText(advice, 'The directive')}>
            <Icon name="copy" />
          </button>
        </p>
      )}
    </>
  );
}
