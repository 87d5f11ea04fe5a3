import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { Icon } from '../parts/icon.tsx';
import { formatCount, visible } from '../state/text.ts';
import type { TableController } from '../table/controller.ts';
import type { Mode } from './import.ts';
import type { Job } from './import-run.ts';
import { Preview } from './preview.tsx';
import { mapColumns, type Source } from './source.ts';

const MODES: Readonly<Record<Mode, string>> = {
  create: 'create new records',
  upsert: 'create or replace',
  patch: 'change the given fields',
};

interface Props {
  readonly table: TableController;
  readonly source: Source;
  close(): void;
  start(job: Job): void;
}

/** Asks what the columns are for, and how the records are written. */
export function ImportForm({ table, source, close, start: run }: Props): JSX.Element {
  const mapping = useSignal(mapColumns(source, table.table));
  const mode = useSignal<Mode>('create');
  const skips = useSignal(false);
  const hasKey = mapping.value.some((field) => field?.name === table.table.key);
  const isReady = mapping.value.some((field) => field !== undefined) && (mode.value !== 'patch' || hasKey);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        run({ mode: mode.value, skips: skips.value, mapping: mapping.value, source });
      }}
    >
      <div class="dialog-body">
        <p>
          <strong>{formatCount(source.rows.length)}</strong> {source.rows.length === 1 ? 'record' : 'records'} in{' '}
          {visible(source.name)}
        </p>
        <div class="page-tools">
          <label class="inline">
            Mode
            <select value={mode.value} onChange={({ currentTarget: { value } }) => (mode.value = value as Mode)}>
              {Object.entries(MODES).map(([name, label]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={skips.value}
              onChange={({ currentTarget: { checked } }) => (skips.value = checked)}
            />
            Skip records that are refused
          </label>
        </div>
        {mode.value === 'patch' && !hasKey && <p class="field-error">A column has to be the key, {table.table.key}.</p>}
        <Preview table={table.table} source={source} mapping={mapping} />
      </div>
      <footer>
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="primary" disabled={!isReady || source.rows.length === 0}>
          <Icon name="upload" /> Import {formatCount(source.rows.length)}
        </button>
      </footer>
    </form>
  );
}
