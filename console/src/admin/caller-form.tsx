import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';

/** Asks for a caller: its subject, its roles and its claims. Without a subject it is an anonymous one. */
export function CallerForm({
  label = 'Ask',
  set,
}: Readonly<{ label?: string; set(caller: string | undefined): void }>): JSX.Element {
  const sub = useSignal('');
  const roles = useSignal('');
  const claims = useSignal('');
  const wrong = useSignal<string | undefined>(undefined);
  const apply = () => {
    const made = callerOf(sub.value, roles.value, claims.value);
    wrong.value = 'error' in made ? made.error : undefined;
    if (!('error' in made)) set(made.caller);
  };
  return (
    <form
      class="caller"
      autocomplete="off"
      onSubmit={(event) => {
        event.preventDefault();
        apply();
      }}
    >
      <Entry label="Caller (sub)" placeholder="anonymous" text={sub} />
      <Entry label="Roles" placeholder="editor, staff" text={roles} />
      <Entry label="Claims" placeholder='{"team":"a"}' text={claims} />
      <button type="submit">{label}</button>
      {wrong.value && <p class="field-error">{wrong.value}</p>}
    </form>
  );
}

/** Caller as the admin API takes it. */
export function callerOf(
  sub: string,
  roles: string,
  claims: string,
): { readonly caller: string | undefined } | { readonly error: string } {
  if (sub.trim() === '') return { caller: undefined };
  try {
    const given = claims.trim() === '' ? {} : (JSON.parse(claims) as unknown);
    const names = roles.split(/[\s,]+/).filter((role) => role !== '');
    const isPlain = names.length === 0 && claims.trim() === '';
    return { caller: JSON.stringify(isPlain ? { sub: sub.trim() } : { sub: sub.trim(), roles: names, claims: given }) };
  } catch {
    return { error: 'Claims are a JSON object.' };
  }
}

interface EntryProps {
  readonly label: string;
  readonly placeholder: string;
  readonly text: { value: string };
}

function Entry({ label, placeholder, text }: EntryProps): JSX.Element {
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="text"
        placeholder={placeholder}
        spellcheck={false}
        value={text.value}
        onInput={({ currentTarget: { value } }) => {
          text.value = value;
        }}
      />
    </label>
  );
}
