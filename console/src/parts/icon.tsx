import type { JSX } from 'preact';
import { iconHref } from './icon-element.ts';

/** Icon of the file of icons. It says nothing by itself: a label stands beside it, or on its button. */
export function Icon({ name }: { readonly name: string }): JSX.Element {
  return (
    <svg class="icon" aria-hidden="true">
      <use href={iconHref(name)} />
    </svg>
  );
}
