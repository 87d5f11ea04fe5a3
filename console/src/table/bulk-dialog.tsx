import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect } from 'preact/hooks';
import { type BulkTarget, changeAll, countMatches, deleteAll } from '../edits/bulk.ts';
import { Dialog } from '../parts/dialog.tsx';
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
  const typed = useSignal('');
  const field = useSignal<Field | undefined>(undefined);
  const value = useSignal<unknown>(undefined);
  const isBusy = useSignal(false);
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
  const run = async (expected: number) => {
    isBusy.value = true;
    failure.value = undefined;
    try {
      const changes = { [field.value?.name ?? '']: value.value };
      const done = what === 'delete' ? await deleteAll(target, expected) : await changeAll(target, expected, changes);
      say(
        `${formatCount(done)} ${done === 1 ? 'record' : 'records'} ${what === 'delete' ? 'deleted' : 'changed'}.`,
        'good',
      );
      if (scope === 'selection') table.select(new Map());
      close();
    } catch (error) {
      failure.value = describeError(error);
      if ((error as TablecastError).code === 'PRECONDITION_FAILED') await recount();
    }
    isBusy.value = false;
  };
  const isTyped = count.value !== undefined && typed.value.replaceAll(',', '') === String(count.value);
  const needsTyping = count.value !== undefined && count.value > 1;
  const isReady =
    count.value !== undefined &&
    count.value > 0 &&
    (isTyped || !needsTyping) &&
    (what === 'delete' || (field.value !== undefined && value.value !== undefined));
  return (
    <Dialog title={titleOf(what, scope, count.value)} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady && !isBusy.value) void run(count.value as number);
        }}
      >
        <div class="dialog-body">
          {scope === 'matches' && (
            <p class="soft">
              {table.query.search === '' ? 'Every record of the table.' : <code>{visible(table.query.search)}</code>}
              {table.query.mode === 'window' && ' All that meet the conditions are meant, also those beyond limit.'}
            </p>
          )}
          {what === 'change' && <Change table={table} field={field} value={value} />}
          {needsTyping && (
            <label class="field">
              <span>Type {count.value} to go on</span>
              <input
                type="text"
                inputMode="numeric"
                autocomplete="off"
                value={typed.value}
                onInput={(event) => (typed.value = event.currentTarget.value)}
              />
            </label>
          )}
          {count.value === 0 && <p>No record matches.</p>}
          {failure.value && (
            <p class="field-error" role="alert">
              {visible(failure.value)}
            </p>
          )}
        </div>
        <footer>
          <button type="button" onClick={close}>
            Keep
          </button>
          <button type="submit" class={what === 'delete' ? 'danger' : 'primary'} disabled={!isReady || isBusy.value}>
            {what === 'delete' ? 'Delete' : 'Change'}
          </button>
        </footer>
      </form>
    </Dialog>
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
