import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { remember, undo } from '../edits/undo.ts';
import type { Id, Rec } from '../grid/segment.ts';
import { Icon } from '../parts/icon.tsx';
import { go, paths } from '../state/address.ts';
import { ask, newKey, seqOf, type TablecastError } from '../state/http.ts';
import { describeError, say } from '../state/messages.ts';
import type { TableController } from '../table/controller.ts';
import { FieldInput } from './field-input.tsx';

/** Form for a record that is not there yet. What is left alone gets its default, or the server's value. */
export function NewRecord({ table }: { readonly table: TableController }): JSX.Element {
  const values = useSignal<Rec>({});
  const errors = useSignal<Readonly<Record<string, string>>>({});
  const isBusy = useSignal(false);
  const { app } = table;
  const { name, key, fields } = table.table;
  const create = async () => {
    if (isBusy.value) return;
    isBusy.value = true;
    try {
      const path = encodeURIComponent(name);
      const options = { method: 'POST', body: values.value, headers: { 'idempotency-key': newKey() } };
      const { data, headers } = await ask<Rec>(app, path, options);
      const id = data[key] as Id;
      remember({ kind: 'create', app, table: name, id, seq: seqOf(headers) ?? 0, record: values.value });
      say('Stored.', 'good', { label: 'Undo', run: () => void undo() });
      table.isCreating.value = false;
      go(paths.record(app, name, id, table.query.search));
    } catch (error) {
      const found = (error as TablecastError).errors ?? [];
      errors.value = Object.fromEntries(found.map(({ field, message }) => [field.split('.')[0] ?? field, message]));
      if (found.length === 0) say(describeError(error), 'bad');
    }
    isBusy.value = false;
  };
  const set = (field: string, value: unknown) => {
    const { [field]: _error, ...others } = errors.value;
    errors.value = others;
    values.value = { ...values.value, [field]: value };
  };
  const unset = (field: string) => {
    const { [field]: _value, ...others } = values.value;
    values.value = others;
  };
  return (
    <form
      class="panel-form"
      autocomplete="off"
      onSubmit={(event) => {
        event.preventDefault();
        void create();
      }}
    >
      <div class="panel-body form">
        {fields
          .filter((field) => !field.readOnly)
          .map((field) => (
            <FieldInput
              key={field.name}
              field={
                field.name === key
                  ? { ...field, required: false, description: 'Left empty, the server makes one.' }
                  : field
              }
              value={values.value[field.name]}
              isChanged={Object.hasOwn(values.value, field.name)}
              isLocked={false}
              theirs={undefined}
              error={errors.value[field.name]}
              link={undefined}
              change={(value) => (field.name === key && value === '' ? unset(key) : set(field.name, value))}
              discard={() => unset(field.name)}
            />
          ))}
      </div>
      <footer class="panel-foot">
        <span class="spacer" />
        <button type="submit" class="primary" disabled={isBusy.value}>
          <Icon name="plus" /> Create
        </button>
      </footer>
    </form>
  );
}
