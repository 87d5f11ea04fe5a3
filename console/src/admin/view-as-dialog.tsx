import { useSignal } from '@preact/signals';
import type { JSX } from 'preact';
import { Dialog } from '../parts/dialog.tsx';
import { FieldError } from '../parts/field-error.tsx';
import { ask } from '../state/http.ts';
import { describeError } from '../state/messages.ts';
import { enterView } from '../state/session.ts';
import { CallerForm } from './caller-form.tsx';

interface Issued {
  readonly token: string;
  readonly expires_at: string;
  readonly sub: string;
  readonly roles: readonly string[];
}

interface Props {
  readonly app: string;
  close(): void;
}

/** Asks whose view of the tables is to be shown. */
export function ViewAsDialog({ app, close }: Props): JSX.Element {
  const failure = useSignal<string | undefined>(undefined);
  const enter = async (caller: string | undefined) => {
    if (caller === undefined) {
      failure.value = 'Name a caller.';
      return;
    }
    try {
      const { data } = await ask<Issued>(app, '_/admin/view-as', { method: 'POST', body: JSON.parse(caller) });
      close();
      enterView({ app, token: data.token, sub: data.sub, roles: data.roles, expiresAt: Date.parse(data.expires_at) });
    } catch (error) {
      failure.value = describeError(error);
    }
  };
  return (
    <Dialog title="View as another caller" close={close}>
      <div class="dialog-body">
        <p>
          Tables and streams are then shown as this caller gets them, for 15 minutes and read only. The server writes
          into its log that you did.
        </p>
        <p class="soft">A built-in user is named by its id alone, and has its own roles and claims.</p>
        <CallerForm label="View" set={(caller) => void enter(caller)} />
        <FieldError text={failure.value} />
      </div>
    </Dialog>
  );
}
