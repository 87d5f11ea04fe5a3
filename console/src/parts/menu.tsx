import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

interface Props {
  readonly anchor: HTMLElement;
  readonly label: string;
  readonly children: ComponentChildren;
  close(): void;
}

/** Menu below an element: arrows move, Escape and a click elsewhere close it. */
export function Menu({ anchor, label, children, close }: Props): JSX.Element {
  const element = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => place(element.current, anchor), [anchor]);
  useEffect(() => {
    element.current?.querySelector<HTMLElement>('[role^=menuitem]')?.focus();
    const outside = (event: Event) => {
      if (!element.current?.contains(event.target as Node) && !anchor.contains(event.target as Node)) close();
    };
    document.addEventListener('pointerdown', outside);
    return () => {
      document.removeEventListener('pointerdown', outside);
      if (element.current?.contains(document.activeElement) ?? true) anchor.focus();
    };
  }, [anchor]);
  return (
    <div
      ref={element}
      class="menu"
      role="menu"
      tabIndex={-1}
      aria-label={label}
      onKeyDown={(event) => moveInMenu(event, element.current, close)}
    >
      {children}
    </div>
  );
}

function place(menu: HTMLElement | null, anchor: HTMLElement): void {
  if (menu === null) return;
  const box = anchor.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, innerWidth - width - 8));
  const below = box.bottom + 4;
  menu.style.left = `${left}px`;
  menu.style.top = `${below + height > innerHeight ? Math.max(8, box.top - height - 4) : below}px`;
}

function moveInMenu(event: KeyboardEvent, menu: HTMLElement | null, close: () => void): void {
  if (event.key === 'Escape' || event.key === 'Tab') {
    event.preventDefault();
    event.stopPropagation();
    close();
    return;
  }
  const items = [...(menu?.querySelectorAll<HTMLElement>('[role^=menuitem]') ?? [])];
  const at = items.indexOf(document.activeElement as HTMLElement);
  const steps: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
  const next = steps[event.key];
  if (next === undefined) return;
  event.preventDefault();
  items[(next + items.length) % items.length]?.focus();
}

interface ItemProps {
  readonly children: ComponentChildren;
  readonly checked?: boolean;
  readonly disabled?: boolean;
  run(): void;
}

export function MenuItem({ children, checked, disabled, run }: ItemProps): JSX.Element {
  return checked === undefined ? (
    <button type="button" role="menuitem" disabled={disabled} onClick={run}>
      {children}
    </button>
  ) : (
    <button type="button" role="menuitemcheckbox" aria-checked={checked} disabled={disabled} onClick={run}>
      <span class="tick" aria-hidden="true">
        {checked ? '✓' : ''}
      </span>
      {children}
    </button>
  );
}
