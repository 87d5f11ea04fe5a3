import { useSignal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { describeError } from '../state/messages.ts';
import { Dialog } from './dialog.tsx';
import { FieldError } from './field-error.tsx';

interface Props {
  readonly title: string;
  /** Name of the button that goes on. */
  readonly verb: string;
  readonly isDanger?: boolean;
  /** Number of records that are meant: more than one has to be typed. Undefined while it is not known. */
  readonly count?: number | undefined;
  readonly isReady?: boolean;
  /** Error of what was done before. */
  readonly failure?: string | undefined;
  readonly children: ComponentChildren;
  /** Does it; the dialog closes, or shows the error that it throws. */
  run(): Promise<void>;
  close(): void;
}

/** Question before something is done that many records, or other people, feel. */
export function ConfirmDialog(props: Props): JSX.Element {
  const { title, verb, isDanger = false, count = 1, isReady = true, children, run, close } = props;
  const typed = useSignal('');
  const isBusy = useSignal(false);
  const failure = useSignal<string | undefined>(undefined);
  const isTyped = count <= 1 || typed.value.replaceAll(',', '') === String(count);
  const submit = async () => {
    isBusy.value = true;
    failure.value = undefined;
    try {
      await run();
      close();
    } catch (error) {
      failure.value = describeError(error);
    }
    isBusy.value = false;
  };
  return (
    <Dialog title={title} close={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady && isTyped && !isBusy.value) void submit();
        }}
      >
        <div class="dialog-body">
          {children}
          {count > 1 && (
            <label class="field">
              <span>Type {count} to go on</span>
              <input
                type="text"
                inputMode="numeric"
                autocomplete="off"
                value={typed.value}
                onInput={(event) => (typed.value = event.currentTarget.value)}
              />
            </label>
          )}
          <FieldError text={failure.value ?? props.failure} />
        </div>
        <footer>
          <button type="button" onClick={close}>
            Keep
          </button>
          <button type="submit" class={isDanger ? 'danger' : 'primary'} disabled={!isReady || !isTyped || isBusy.value}>
            {verb}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
