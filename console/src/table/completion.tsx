import type { Signal } from '@preact/signals';
import { useSignal } from '@preact/signals';
import type { JSX, RefObject } from 'preact';
import { useEffect } from 'preact/hooks';
import type { Field } from '../state/schema.ts';
import { readKept } from '../state/settings.ts';
import type { TableController } from './controller.ts';
import { toText } from './query-text.ts';

interface Props {
  readonly table: TableController;
  readonly input: RefObject<HTMLInputElement | null>;
  readonly text: Signal<string>;
  readonly caret: Signal<number | undefined>;
}

interface Option {
  readonly insert: string;
  readonly note: string;
}

const MAX_OPTIONS = 9;
const PARAMETERS = ['sort=', 'select=', 'limit=', 'filter=', 'aggregate=', 'group='];

/** What could be written at the caret: fields, operators of their type, values of an enum; former queries in an empty bar. */
export function Completion({ table, input, text, caret }: Props): JSX.Element | null {
  const chosen = useSignal(0);
  const at = caret.value;
  const options = at === undefined ? [] : optionsAt(table, text.value.slice(0, at));
  const isOpen = options.length > 0;
  useEffect(() => {
    const element = input.current;
    if (element === null) return;
    const onKey = (event: KeyboardEvent) => {
      if (event.key === 'ArrowDown' && caret.value === undefined) {
        caret.value = element.selectionStart ?? 0;
        event.preventDefault();
      } else if (isOpen) handleKey(event);
    };
    const handleKey = (event: KeyboardEvent) => {
      const { key } = event;
      if (key === 'ArrowDown') chosen.value = (chosen.value + 1) % options.length;
      else if (key === 'ArrowUp') chosen.value = (chosen.value + options.length - 1) % options.length;
      else if (key === 'Escape') caret.value = undefined;
      else if (key === 'Tab') take(options[chosen.value]);
      else return;
      event.preventDefault();
      event.stopPropagation();
    };
    element.addEventListener('keydown', onKey);
    return () => element.removeEventListener('keydown', onKey);
  });
  useEffect(() => {
    chosen.value = 0;
  }, [text.value]);
  const take = (option: Option | undefined) => {
    if (option === undefined || at === undefined) return;
    const before = text.value.slice(0, at).replace(/[\w.*-]*$/, '');
    const begin = text.value === '' ? '' : before;
    text.value = begin + option.insert + text.value.slice(at);
    caret.value = (begin + option.insert).length;
    input.current?.focus();
  };
  if (!isOpen) return null;
  return (
    <div class="completion" role="listbox" aria-label="Completions">
      {options.map((option, index) => (
        <div
          key={option.insert}
          role="option"
          tabIndex={-1}
          aria-selected={index === chosen.value}
          class="option"
          onPointerDown={(event) => {
            event.preventDefault();
            take(option);
          }}
        >
          <span>{option.insert}</span>
          <small>{option.note}</small>
        </div>
      ))}
      <p class="hint">Tab takes it, Enter runs the query</p>
    </div>
  );
}

function optionsAt(table: TableController, before: string): readonly Option[] {
  const { fields } = table.table;
  const part = /(?:^|[&|(!])([^&|(!]*)$/.exec(before)?.[1] ?? '';
  if (before === '') {
    const kept = readKept<readonly string[]>(`queries.${table.app}/${table.table.name}`) ?? [];
    const former = kept.slice(0, 4).map((search) => ({ insert: toText(search), note: 'before' }));
    return [...former, ...fieldOptions(fields, '').slice(0, MAX_OPTIONS - former.length)];
  }
  const listed = /^(?:sort|select|group)=(?:.*,)?-?([\w.]*)$/.exec(part);
  if (listed !== null) return fieldOptions(fields, listed[1] ?? '', '').slice(0, MAX_OPTIONS);
  const value = /^([\w.]+)(?:==?|!=|=in=|=out=)(?:.*,)?(\w*)$/.exec(part);
  if (value !== null) return valueOptions(fields, value[1] ?? '', value[2] ?? '');
  if (!/^[\w.]*$/.test(part)) return [];
  const exact = fields.find(({ name }) => name === part);
  if (exact !== undefined) return operatorsOf(exact).map(([operator, note]) => ({ insert: part + operator, note }));
  const parameters = PARAMETERS.filter((name) => name.startsWith(part)).map((insert) => ({
    insert,
    note: 'parameter',
  }));
  return [...fieldOptions(fields, part), ...parameters].slice(0, MAX_OPTIONS);
}

function fieldOptions(fields: readonly Field[], prefix: string, operator = '=='): readonly Option[] {
  return fields
    .filter(({ name, hidden }) => !hidden && name.toLowerCase().startsWith(prefix.toLowerCase()))
    .map(({ name, type, kind }) => ({
      insert: name + (operator === '' || kind !== 'number' ? operator : '=gt='),
      note: type,
    }));
}

function valueOptions(fields: readonly Field[], name: string, prefix: string): readonly Option[] {
  const field = fields.find((it) => it.name === name);
  const values = field?.values ?? (field?.kind === 'boolean' ? ['true', 'false'] : []);
  return [...values, 'null']
    .filter((value) => value.toLowerCase().startsWith(prefix.toLowerCase()) && value !== prefix && values.length > 0)
    .map((insert) => ({ insert, note: field?.type ?? '' }));
}

function operatorsOf({ kind, list }: Field): readonly (readonly [string, string])[] {
  if (kind === 'json' || kind === 'object') return [['==null', 'is null']];
  const equal = [
    ['==', 'is'],
    ['!=', 'is not'],
    ['=in=', 'is one of'],
  ] as const;
  if (list || kind === 'enum' || kind === 'boolean') return equal;
  const ordered = [
    ['=gt=', 'greater'],
    ['=ge=', 'greater or equal'],
    ['=lt=', 'less'],
    ['=le=', 'less or equal'],
  ] as const;
  const text = [
    ['=ct=', 'contains'],
    ['=sw=', 'starts with'],
    ['=ft=', 'has the words'],
  ] as const;
  return kind === 'text' ? [...equal, ...text, ...ordered.slice(0, 1)] : [...equal, ...ordered];
}
