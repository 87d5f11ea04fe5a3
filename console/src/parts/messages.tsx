import type { JSX } from 'preact';
import { dismiss, messages } from '../state/messages.ts';
import { visible } from '../state/text.ts';
import { Icon } from './icon.tsx';

/** Sentences that come and go at the edge of the window. */
export function Messages(): JSX.Element {
  return (
    <div class="messages" role="status" aria-live="polite">
      {messages.value.map(({ id, text, tone, action }) => (
        <div key={id} class={`message ${tone}`}>
          <span>{visible(text)}</span>
          {action && (
            <button type="button" class="link" onClick={() => action.run()}>
              {action.label}
            </button>
          )}
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Icon name="x" />
          </button>
        </div>
      ))}
    </div>
  );
}
