import type { JSX } from 'preact';
import { visible } from '../state/text.ts';

/** Sentence about what went wrong, read out when it appears. */
export function FieldError({ text }: { readonly text: string | undefined }): JSX.Element | null {
  if (text === undefined || text === '') return null;
  return (
    <p class="field-error" role="alert">
      {visible(text)}
    </p>
  );
}
