import { useSignal } from '@preact/signals';
import type { JSX, TargetedEvent } from 'preact';
import { useId } from 'preact/hooks';
import { FieldError } from '../parts/field-error.tsx';
import { entryOf, logIn, useToken } from '../state/session.ts';

/** Form of the login: name and password where the application has users, else a token or an API key. */
export function LoginForm({ app }: { readonly app: string }): JSX.Element {
  const hasUsers = entryOf(app)?.auth === 'users';
  const byToken = useSignal(!hasUsers);
  const name = useSignal('');
  const secret = useSignal('');
  const stay = useSignal(false);
  const error = useSignal<string | undefined>(undefined);
  const isBusy = useSignal(false);
  const enter = async () => {
    isBusy.value = true;
    error.value = undefined;
    try {
      if (byToken.value) await useToken(app, secret.value.trim(), stay.value);
      else await logIn(app, name.value, secret.value, stay.value);
    } catch (thrown) {
      error.value = (thrown as Error).message;
    }
    isBusy.value = false;
  };
  return (
    <form
      class="login"
      onSubmit={(event) => {
        event.preventDefault();
        void enter();
      }}
    >
      {!byToken.value && (
        <Entry
          label="Name"
          type="text"
          autocomplete="username"
          value={name.value}
          set={(text) => (name.value = text)}
        />
      )}
      <Entry
        label={byToken.value ? 'Token or API key' : 'Password'}
        type="password"
        autocomplete={byToken.value ? 'off' : 'current-password'}
        value={secret.value}
        set={(text) => (secret.value = text)}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={stay.value}
          onChange={({ currentTarget: { checked } }) => (stay.value = checked)}
        />
        Stay logged in on this machine
      </label>
      {stay.value && (
        <p class="help">What opens the application is then kept in this browser, for every page of this server.</p>
      )}
      <FieldError text={error.value} />
      <button type="submit" class="primary" disabled={isBusy.value || secret.value === ''}>
        Log in
      </button>
      {hasUsers && (
        <button type="button" class="link" onClick={() => (byToken.value = !byToken.value)}>
          {byToken.value ? 'With name and password' : 'With a token or an API key'}
        </button>
      )}
    </form>
  );
}

interface EntryProps {
  readonly label: string;
  readonly type: 'text' | 'password';
  readonly autocomplete: string;
  readonly value: string;
  set(text: string): void;
}

function Entry({ label, type, autocomplete, value, set }: EntryProps): JSX.Element {
  const id = useId();
  const shared = {
    value,
    required: true,
    onInput: (event: TargetedEvent<HTMLInputElement>) => set(event.currentTarget.value),
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {type === 'password' ? (
        <input {...shared} id={id} type="password" autocomplete={autocomplete as 'off'} />
      ) : (
        <input {...shared} id={id} type="text" autocomplete={autocomplete as 'off'} />
      )}
    </div>
  );
}
