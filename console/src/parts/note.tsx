import type { ComponentChildren, JSX } from 'preact';
import { Icon } from './icon.tsx';

interface Props {
  readonly icon?: string;
  readonly title: string;
  readonly children?: ComponentChildren;
}

/** What is said where there is nothing to show. */
export function Note({ icon = 'circle-help', title, children }: Props): JSX.Element {
  return (
    <div class="note">
      <Icon name={icon} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}
