import type { JSX } from 'preact';
import { change, discardField, draftsOf } from '../edits/drafts.ts';
import { hrefOf, paths } from '../state/address.ts';
import { describeError } from '../state/messages.ts';
import type { Field } from '../state/schema.ts';
import { formatTime, isEqual, timeOfSeq, visible } from '../state/text.ts';
import { canWrite } from '../state/view.ts';
import type { TableController } from '../table/controller.ts';
import { FieldInput } from './field-input.tsx';
import type { LiveRecord } from './live-record.ts';

/** The fields of a record as a form. What is typed waits until it is saved; what others change is shown beside it. */
export function FieldsTab({
  table,
  live,
}: {
  readonly table: TableController;
  readonly live: LiveRecord;
}): JSX.Element {
  const { app } = table;
  const { name, fields, key } = table.table;
  const record = live.record.value;
  const error = live.error.value;
  if (error !== undefined && record === undefined) {
    return (
      <p class="panel-note">
        {live.isGone.value ? 'There is no record with this key.' : visible(describeError(error))}
      </p>
    );
  }
  if (record === undefined) return <p class="panel-note">Reading…</p>;
  const draft = draftsOf(app, name).value.get(live.key);
  return (
    <form class="form" autocomplete="off" onSubmit={(event) => event.preventDefault()}>
      {live.isGone.value && <p class="theirs">It has been deleted meanwhile. Saving asks what to do.</p>}
      {fields
        .filter((field) => !field.hidden)
        .map((field) => {
          const isChanged = draft !== undefined && Object.hasOwn(draft.changes, field.name);
          const theirs = isChanged && !isEqual(record[field.name] ?? null, draft.base[field.name] ?? null);
          return (
            <FieldInput
              key={field.name}
              field={field}
              value={isChanged ? draft.changes[field.name] : record[field.name]}
              isChanged={isChanged}
              isLocked={field.name === key || field.readOnly || !canWrite.value}
              theirs={theirs ? record[field.name] : undefined}
              error={draft?.errors?.[field.name]}
              link={linkOf(app, field, record[field.name])}
              change={(value) =>
                change(app, name, live.key, { name: field.name, shown: record[field.name] ?? null, value })
              }
              discard={() => discardField(app, name, live.key, field.name)}
            />
          );
        })}
      {live.seq.value !== undefined && (
        <p class="panel-meta">
          Last changed {formatTime(timeOfSeq(live.seq.value))} · seq {live.seq.value}
        </p>
      )}
    </form>
  );
}

/** Address of the record that a field names. */
function linkOf(app: string, { refersTo, list }: Field, value: unknown): string | undefined {
  if (refersTo === undefined || list || (typeof value !== 'string' && typeof value !== 'number')) return undefined;
  return hrefOf(paths.record(app, refersTo, value));
}
