import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Icon } from '../parts/icon.tsx';
import { go, paths, place } from '../state/address.ts';
import type { TablecastError } from '../state/http.ts';
import { keepValue, readKept } from '../state/settings.ts';
import { visible } from '../state/text.ts';
import { Completion } from './completion.tsx';
import type { TableController } from './controller.ts';
import { fromText, markOf, toText } from './query-text.ts';

const MAX_HISTORY = 20;

/** The query of the address as text: what is typed here is what the address of the REST API takes. */
export function QueryBar({ table }: { readonly table: TableController }): JSX.Element {
  const { search } = place.value;
  const text = useSignal(toText(search));
  const caret = useSignal<number | undefined>(undefined);
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => {
    text.value = toText(search);
  }, [search]);
  table.hasSpoken.value;
  const { error } = table.rows;
  const mark = error === undefined ? undefined : errorMark(error, table.query.search);
  const isTyped = fromText(text.value) !== search;
  return (
    <form
      class="query-bar"
      aria-label="Query"
      onSubmit={(event) => {
        event.preventDefault();
        caret.value = undefined;
        run(table, text.value);
      }}
    >
      <Icon name="funnel" />
      <div class="query-input">
        <input
          ref={input}
          id="query"
          type="text"
          value={text.value}
          aria-label={`Query of ${table.table.name}`}
          aria-invalid={mark !== undefined}
          aria-describedby={mark === undefined ? undefined : id}
          placeholder="title==H*&sort=-made"
          autocomplete="off"
          autocapitalize="off"
          spellcheck={false}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            caret.value = event.currentTarget.selectionStart ?? undefined;
          }}
          onBlur={() => setTimeout(() => (caret.value = undefined), 150)}
        />
        <Completion table={table} input={input} text={text} caret={caret} />
        {mark !== undefined && !isTyped && (
          <p class="query-error" id={id}>
            <span class="column-mark" style={{ left: `calc(${mark.at} * 1ch)` }} aria-hidden="true" />
            {visible(mark.message)}
          </p>
        )}
      </div>
      {text.value !== '' && (
        <button type="button" class="quiet" aria-label="Clear the query" onClick={() => run(table, '')}>
          <Icon name="x" />
        </button>
      )}
      <button type="submit" class={isTyped ? 'primary' : ''}>
        Run
      </button>
    </form>
  );
}

function run(table: TableController, text: string): void {
  const search = fromText(text);
  const name = `queries.${table.app}/${table.table.name}`;
  if (search !== '') {
    const kept = readKept<readonly string[]>(name) ?? [];
    keepValue(name, [search, ...kept.filter((it) => it !== search)].slice(0, MAX_HISTORY));
  }
  const isSame = search === place.value.search;
  go(paths.table(table.app, table.table.name, search));
  if (isSame) void table.rows.reload();
}

function errorMark(error: TablecastError, search: string) {
  if (error.status !== 400) return undefined;
  const [first] = error.errors;
  return markOf(search, first?.field, first?.message ?? error.message);
}
