import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Id, Rec } from '../grid/segment.ts';
import { FieldError } from '../parts/field-error.tsx';
import { Icon } from '../parts/icon.tsx';
import { Note } from '../parts/note.tsx';
import { go, hrefOf, paths, place } from '../state/address.ts';
import { describeError } from '../state/messages.ts';
import { schema, type Table, tableOf } from '../state/schema.ts';
import { cellText, formatTime, timeOfSeq, visible } from '../state/text.ts';
import { type PastPage, readPast, readSpan, type Span, stepFrom } from './past.ts';
import { RestoreDialog } from './restore-dialog.tsx';

const MAX_COLUMNS = 12;

/** A table as it was at a position of the log, with a slider over the time that the log reaches back to. */
export function PastScreen({ app }: { readonly app: string }): JSX.Element {
  const given = new URLSearchParams(place.value.search);
  const table = tableOf(given.get('table') ?? schema.value?.tables[0]?.name);
  const seq = Number(given.get('seq')) || undefined;
  if (table === undefined) return <Note icon="history" title="There is no such table" />;
  return <Past key={table.name} app={app} table={table} seq={seq} />;
}

interface Props {
  readonly app: string;
  readonly table: Table;
  readonly seq: number | undefined;
}

function Past({ app, table, seq }: Props): JSX.Element {
  const span = useSignal<Span | undefined>(undefined);
  const page = useSignal<PastPage | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const restoring = useSignal<Id | undefined>(undefined);
  const at = seq ?? span.value?.head;
  const fail = (error: unknown) => {
    failure.value = describeError(error);
  };
  useEffect(() => void readSpan(app, table.name).then((found) => (span.value = found), fail), [app, table.name]);
  useEffect(() => {
    if (at === undefined) return;
    const abort = new AbortController();
    readPast(app, { table: table.name, seq: at }, abort.signal)
      .then((found) => {
        page.value = found;
        failure.value = undefined;
      })
      .catch((error) => {
        if (!abort.signal.aborted) fail(error);
      });
    return () => abort.abort();
  }, [app, table.name, at]);
  const more = async () => {
    const now = page.value;
    if (now === undefined || now.next === null || at === undefined) return;
    try {
      const next = await readPast(app, { table: table.name, seq: at, after: now.next }, new AbortController().signal);
      page.value = { ...now, records: [...now.records, ...next.records], next: next.next };
    } catch (error) {
      fail(error);
    }
  };
  return (
    <div class="page wide">
      <div class="page-tools">
        <label class="inline">
          Table
          <select
            value={table.name}
            onChange={({ currentTarget: { value } }) =>
              go(paths.screen(app, 'past', `table=${encodeURIComponent(value)}`))
            }
          >
            {schema.value?.tables.map(({ name }) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <a href={hrefOf(paths.table(app, table.name))}>As it is now</a>
      </div>
      {span.value && at !== undefined && <Scrubber app={app} table={table} span={span.value} seq={at} />}
      <FieldError text={failure.value} />
      {page.value && !failure.value && (
        <Records table={table} page={page.value} restore={(id) => (restoring.value = id)} />
      )}
      {page.value?.next != null && !failure.value && (
        <button type="button" class="more" onClick={() => void more()}>
          More
        </button>
      )}
      {restoring.value !== undefined && at !== undefined && (
        <RestoreDialog
          app={app}
          table={table}
          id={restoring.value}
          seq={at}
          close={() => {
            restoring.value = undefined;
          }}
        />
      )}
    </div>
  );
}

interface ScrubberProps extends Props {
  readonly span: Span;
  readonly seq: number;
}

function Scrubber({ app, table, span, seq }: ScrubberProps): JSX.Element {
  const shown = useSignal(seq);
  useEffect(() => {
    shown.value = seq;
  }, [seq]);
  const show = (next: number) => {
    go(paths.screen(app, 'past', `table=${encodeURIComponent(table.name)}&seq=${next}`), { replace: true });
  };
  const step = (by: -1 | 1) => void stepFrom(app, table.name, seq, by).then((next) => next !== undefined && show(next));
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== '[' && event.key !== ']') return;
      if ((event.target as HTMLElement).closest('input[type=text], select, dialog') !== null) return;
      step(event.key === '[' ? -1 : 1);
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [seq, table]);
  return (
    <section class="scrubber" aria-label="Position in the log">
      <button
        type="button"
        class="quiet"
        aria-label="One change back"
        title="One change back ([)"
        onClick={() => step(-1)}
      >
        <Icon name="chevron-left" />
      </button>
      <div>
        <input
          type="range"
          aria-label="Time"
          aria-valuetext={formatTime(timeOfSeq(shown.value))}
          min={span.start}
          max={span.head}
          step={Math.max(1, Math.floor((span.head - span.start) / 1000))}
          value={shown.value}
          onInput={({ currentTarget: { value } }) => (shown.value = Number(value))}
          onChange={({ currentTarget: { value } }) => show(Math.min(span.head, Number(value)))}
        />
        <p>
          <span class="soft" title="The log keeps changes for events.retention">
            {formatTime(timeOfSeq(span.start))}, the log begins
          </span>
          <strong title={`seq ${shown.value}`}>{formatTime(timeOfSeq(shown.value))}</strong>
          <span class="soft">{formatTime(timeOfSeq(span.head))}, now</span>
        </p>
      </div>
      <button type="button" class="quiet" aria-label="One change on" title="One change on (])" onClick={() => step(1)}>
        <Icon name="chevron-right" />
      </button>
    </section>
  );
}

interface RecordsProps {
  readonly table: Table;
  readonly page: PastPage;
  restore(id: Id): void;
}

function Records({ table, page, restore }: RecordsProps): JSX.Element {
  const { records, change } = page;
  const names = table.fields.filter(({ hidden }) => !hidden).slice(0, MAX_COLUMNS);
  if (records.length === 0) return <Note icon="history" title="No records at that time" />;
  const isChanged = (record: Rec, name: string) =>
    change !== undefined && record[table.key] === change.id && (change.fields?.includes(name) ?? true);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls is reached by the keyboard.
    <section class="table-scroll" aria-label={`Records of ${table.name}`} tabIndex={0}>
      <table class="plain past">
        <thead>
          <tr>
            {names.map(({ name }) => (
              <th key={name} scope="col">
                {visible(name)}
              </th>
            ))}
            <th scope="col">Restore</th>
          </tr>
        </thead>
        <tbody>
          {records.map((record) => (
            <tr key={String(record[table.key])}>
              {names.map(({ name }) => (
                <td key={name} class={isChanged(record, name) ? 'changed' : ''}>
                  {cellText(record[name], 80) || (record[name] === '' ? '' : '–')}
                </td>
              ))}
              <td>
                <button type="button" class="link" onClick={() => restore(record[table.key] as Id)}>
                  Restore…
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
