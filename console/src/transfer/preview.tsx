import type { Signal } from '@preact/signals';
import type { JSX } from 'preact';
import type { Field, Table } from '../state/schema.ts';
import { cellText, visible } from '../state/text.ts';
import { type Source, toRecord } from './source.ts';

const MAX_ROWS = 6;

interface Props {
  readonly table: Table;
  readonly source: Source;
  readonly mapping: Signal<readonly (Field | undefined)[]>;
}

/** First rows of a file under the fields that they are for; each column can be for another field, or for none. */
export function Preview({ table, source, mapping }: Props): JSX.Element {
  const fields = table.fields.filter(({ readOnly }) => !readOnly);
  const choose = (index: number, name: string) => {
    mapping.value = mapping.value.with(
      index,
      fields.find((field) => field.name === name),
    );
  };
  const missing = fields.filter(
    (field) => field.required && field.name !== table.key && !mapping.value.includes(field),
  );
  return (
    <>
      {missing.length > 0 && (
        <p class="soft">
          No column for <code>{missing.map(({ name }) => name).join(', ')}</code>, which new records need unless the
          schema has a default.
        </p>
      )}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls is reached by the keyboard. */}
      <section class="table-scroll preview" aria-label="Preview" tabIndex={0}>
        <table class="plain">
          <thead>
            <tr>
              <th scope="col">row</th>
              {source.columns.map((column, index) => (
                <th scope="col" key={index}>
                  <label>
                    {visible(column) || `column ${index + 1}`}
                    <select
                      value={mapping.value[index]?.name ?? ''}
                      onChange={({ currentTarget: { value } }) => choose(index, value)}
                    >
                      <option value="">leave out</option>
                      {fields.map(({ name }) => (
                        <option key={name}>{name}</option>
                      ))}
                    </select>
                  </label>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {source.rows.slice(0, MAX_ROWS).map((row) => {
              const { error } = toRecord(row, mapping.value, source.isText);
              return (
                <tr key={row.number} class={error && 'wrong'} title={error && visible(error)}>
                  <td>{row.number}</td>
                  {source.columns.map((_, index) => (
                    <td key={index} class={mapping.value[index] ? '' : 'soft'}>
                      {cellText(row.values[index], 60)}
                    </td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
    </>
  );
}
