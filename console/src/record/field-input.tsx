import { useSignal } from '@preact/signals';
import type { JSX, TargetedEvent } from 'preact';
import { useEffect, useId } from 'preact/hooks';
import { fromInput, toInput } from '../edits/values.ts';
import { FieldError } from '../parts/field-error.tsx';
import { Icon } from '../parts/icon.tsx';
import type { Field } from '../state/schema.ts';
import { cellText, visible } from '../state/text.ts';

interface Props {
  readonly field: Field;
  readonly value: unknown;
  readonly isChanged: boolean;
  readonly isLocked: boolean;
  /** Value that another client has stored meanwhile. */
  readonly theirs: unknown;
  readonly error: string | undefined;
  readonly link: string | undefined;
  change(value: unknown): void;
  discard(): void;
}

/** One field of the form: its name and type, its input by type, and what is to be said about it. */
export function FieldInput(props: Props): JSX.Element {
  const { field, isChanged, isLocked, theirs, error, link, discard } = props;
  const id = useId();
  const local = useSignal<string | undefined>(undefined);
  const shown = error ?? local.value;
  return (
    <div class={`field${isChanged ? ' changed' : ''}${shown === undefined ? '' : ' wrong'}`}>
      <div class="field-head">
        <label for={id}>{visible(field.name)}</label>
        <span class="type">
          {field.list ? `[${field.type}]` : field.type}
          {field.required && '!'}
        </span>
        {link && (
          <a class="follow" href={link} aria-label={`Open ${field.refersTo}`}>
            <Icon name="arrow-up-right" />
          </a>
        )}
        {isChanged && (
          <button type="button" class="quiet" aria-label={`Discard the change of ${field.name}`} onClick={discard}>
            <Icon name="undo-2" />
          </button>
        )}
      </div>
      {isLocked ? (
        <output id={id} class="locked">
          {cellText(props.value, 2_000) || 'null'}
        </output>
      ) : (
        <Control {...props} id={id} wrong={(message) => (local.value = message)} />
      )}
      {field.description && <p class="help">{visible(field.description)}</p>}
      {theirs !== undefined && <p class="theirs">Now stored by another client: {cellText(theirs) || 'null'}</p>}
      <FieldError text={shown} />
    </div>
  );
}

type ControlProps = Props & { readonly id: string; wrong(message: string | undefined): void };

function Control({ field, value, id, change, wrong }: ControlProps): JSX.Element {
  const text = useSignal(toInput(value, field));
  const outside = toInput(value, field);
  // What is typed is not replaced by what it means, as `1.` by `1`.
  useEffect(() => {
    const parsed = fromInput(text.value, field, value === null);
    if ('error' in parsed || toInput(parsed.value, field) !== outside) text.value = outside;
    wrong(undefined);
  }, [outside]);
  const take = (typed: string) => {
    text.value = typed;
    const parsed = fromInput(typed, field, value === null || value === undefined);
    wrong('error' in parsed ? parsed.error : undefined);
    if (!('error' in parsed)) change(parsed.value);
  };
  const options = field.kind === 'boolean' ? ['true', 'false'] : field.values;
  if (options !== undefined && !field.list) {
    return (
      <select id={id} value={text.value} onChange={(event) => take(event.currentTarget.value)}>
        {!field.required && <option value="">null</option>}
        {options.map((option) => (
          <option key={option}>{option}</option>
        ))}
      </select>
    );
  }
  const isLong = field.list || field.kind === 'json' || field.kind === 'object' || text.value.length > 60;
  const shared = {
    id,
    value: text.value,
    spellcheck: field.kind === 'text',
    placeholder: value === null || value === undefined ? 'null' : '',
    onInput: (event: TargetedEvent<HTMLInputElement | HTMLTextAreaElement>) => take(event.currentTarget.value),
  };
  if (isLong || text.value.includes('\n')) {
    const rows = Math.min(12, Math.max(2, text.value.split('\n').length, Math.ceil(text.value.length / 50)));
    return <textarea {...shared} class={field.kind === 'text' ? '' : 'mono'} rows={rows} />;
  }
  return <input {...shared} type="text" inputMode={field.kind === 'number' ? 'decimal' : 'text'} />;
}
