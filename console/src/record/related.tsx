import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { equals } from '../grid/query.ts';
import type { Rec } from '../grid/segment.ts';
import { Icon } from '../parts/icon.tsx';
import { hrefOf, paths } from '../state/address.ts';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { type Field, schema, type Table } from '../state/schema.ts';
import { cellText, formatCount, visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';
import type { LiveRecord } from './live-record.ts';

/** Records of one table that are shown, at most. */
const SHOWN = 8;
/** Fields of a record that are shown beside its key. */
const FIELDS = 2;

interface Reference {
  readonly table: Table;
  /** Field with the key of the record that is open. */
  readonly field: Field;
}

/** Fields of all tables that have keys of this one. */
export function referencesTo(name: string): readonly Reference[] {
  return (schema.value?.tables ?? []).flatMap((table) =>
    table.fields
      .filter(({ refersTo, list, hidden }) => refersTo === name && !list && !hidden)
      .map((field) => ({ table, field })),
  );
}

/** Records that refer to this one, and its channel. */
export function Related({ table, live }: { readonly table: TableController; readonly live: LiveRecord }): JSX.Element {
  const { app } = table;
  const { name } = table.table;
  const channel = `channel=${encodeURIComponent(`${name}/${encodeURIComponent(live.key)}`)}`;
  return (
    <>
      {referencesTo(name).map((reference) => (
        <References key={`${reference.table.name}.${reference.field.name}`} app={app} of={reference} live={live} />
      ))}
      {referencesTo(name).length === 0 && <p class="panel-note">No table has a field with keys of {visible(name)}.</p>}
      <p>
        <a href={hrefOf(paths.screen(app, 'channels', channel))}>
          <Icon name="radio" /> Listen to its channel
        </a>
      </p>
    </>
  );
}

interface Found {
  readonly records: readonly Rec[];
  readonly hasMore: boolean;
}

function References({ app, of, live }: { app: string; of: Reference; live: LiveRecord }): JSX.Element {
  const { table, field } = of;
  const found = useSignal<Found | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const condition = equals(field.name, live.key);
  useEffect(() => {
    const abort = new AbortController();
    ask<readonly Rec[]>(app, `${encodeURIComponent(table.name)}?${condition}&limit=${SHOWN + 1}`, {
      signal: abort.signal,
    })
      .then(({ data }) => {
        found.value = { records: data.slice(0, SHOWN), hasMore: data.length > SHOWN };
      })
      .catch((error) => {
        if (!abort.signal.aborted) failure.value = describeError(error);
      });
    return () => abort.abort();
  }, [app, table, condition]);
  const { records = [], hasMore = false } = found.value ?? {};
  const shown = table.fields.filter(
    ({ name, kind, list, hidden }) => name !== table.key && !hidden && !list && kind === 'text',
  );
  return (
    <section class="related" aria-label={`${table.name} by ${field.name}`}>
      <h3>
        <a href={hrefOf(paths.table(app, table.name, condition))}>{visible(table.name)}</a>{' '}
        <span class="soft">
          by {visible(field.name)}
          {found.value && ` · ${formatCount(records.length)}${hasMore ? ' and more' : ''}`}
        </span>
      </h3>
      {failure.value && <p class="panel-note">{visible(failure.value)}</p>}
      <ul>
        {records.map((record) => (
          <li key={String(record[table.key])}>
            <a class="mono" href={hrefOf(paths.record(app, table.name, record[table.key] as string))}>
              {visible(String(record[table.key]))}
            </a>{' '}
            <span class="soft">
              {shown
                .filter(({ name }) => name !== field.name)
                .slice(0, FIELDS)
                .map(({ name }) => cellText(record[name], 60))
                .filter((text) => text !== '')
                .join(' · ')}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
