import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { type BulkTarget, changeAll, countMatches, deleteAll } from '../edits/bulk.ts';
import { rememberMany } from '../edits/undo.ts';
import { ConfirmDialog } from '../parts/confirm-dialog.tsx';
import { FieldInput } from '../record/field-input.tsx';
import type { TablecastError } from '../state/http.ts';
import { describeError, say } from '../state/messages.ts';
import type { Field } from '../state/schema.ts';
import { formatCount, visible } from '../state/text.ts';
import type { TableController } from './controller.ts';

interface Props {
  readonly table: TableController;
  readonly what: 'change' | 'delete';
  /** Selected rows, or all that match the query. */
  readonly scope: 'selection' | 'matches';
  close(): void;
}

/** Changes or deletes many records: exactly the number that is shown, or none. */
export function BulkDialog({ table, what, scope, close }: Props): JSX.Element {
  const count = useSignal<number | undefined>(undefined);
  const failure = useSignal<string | undefined>(undefined);
  const field = useSignal<Field | undefined>(undefined);
  const value = useSignal<unknown>(undefined);
  const { app } = table;
  const { name, key } = table.table;
  const ids = scope === 'selection' ? [...table.selection.peek().keys()] : undefined;
  const target: BulkTarget = { app, table: name, key, query: table.query, ids };
  const recount = async () => {
    try {
      count.value = ids?.length ?? (await countMatches(target));
    } catch (error) {
      failure.value = describeError(error);
    }
  };
  useEffect(() => void recount(), []);
  const run = async () => {
    const expected = count.peek() ?? 0;
    try {
      const changes = { [field.peek()?.name ?? '']: value.peek() };
      const { changed, positions } =
        what === 'delete' ? await deleteAll(target, expected) : await changeAll(target, expected, changes);
      const action = rememberMany(app, name, positions);
      const records = `${formatCount(changed)} ${changed === 1 ? 'record' : 'records'}`;
      say(`${records} ${what === 'delete' ? 'deleted' : 'changed'}.`, 'good', action);
      if (scope === 'selection') table.select(new Map());
    } catch (error) {
      if ((error as TablecastError).code === 'PRECONDITION_FAILED') await recount();
      throw error;
    }
  };
  const isChosen = what === 'delete' || (field.value !== undefined && value.value !== undefined);
  return (
    <ConfirmDialog
      title={titleOf(what, scope, count.value)}
      verb={what === 'delete' ? 'Delete' : 'Change'}
      isDanger={what === 'delete'}
      count={count.value}
      isReady={count.value !== undefined && count.value > 0 && isChosen}
      failure={failure.value}
      run={run}
      close={close}
    >
      {scope === 'matches' && (
        <p class="soft">
          {table.query.search === '' ? 'Every record of the table.' : <code>{visible(table.query.search)}</code>}
          {table.query.mode === 'window' && ' All that meet the conditions are meant, also those beyond limit.'}
        </p>
      )}
      {what === 'change' && <Change table={table} field={field} value={value} />}
      {count.value === 0 && <p>No record matches.</p>}
    </ConfirmDialog>
  );
}

function titleOf(what: 'change' | 'delete', scope: Props['scope'], count: number | undefined): string {
  const records = count === undefined ? 'records' : `${formatCount(count)} ${count === 1 ? 'record' : 'records'}`;
  return `${what === 'delete' ? 'Delete' : 'Change'} ${records}${scope === 'matches' ? ' that match' : ''}`;
}

interface ChangeProps {
  readonly table: TableController;
  readonly field: { value: Field | undefined };
  readonly value: { value: unknown };
}

function Change({ table, field, value }: ChangeProps): JSX.Element {
  const fields = table.table.fields.filter((it) => !it.readOnly && !it.hidden && it.name !== table.table.key);
  return (
    <>
      <label class="field">
        <span>Field</span>
        <select
          value={field.value?.name ?? ''}
          onChange={({ currentTarget }) => {
            field.value = fields.find((it) => it.name === currentTarget.value);
            value.value = undefined;
          }}
        >
          <option value="">choose</option>
          {fields.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      </label>
      {field.value && (
        <FieldInput
          key={field.value.name}
          field={field.value}
          value={value.value ?? null}
          isChanged={value.value !== undefined}
          isLocked={false}
          theirs={undefined}
          error={undefined}
          link={undefined}
          change={(next) => (value.value = next)}
          discard={() => (value.value = undefined)}
        />
      )}
    </>
  );
}
