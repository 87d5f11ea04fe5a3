import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';

const THEME = 'tablecast.theme';

export const theme = signal<Theme>((localStorage.getItem(THEME) as Theme | null) ?? 'system');

/** Keeps the theme and shows it. */
export function applyTheme(): void {
  effect(() => {
    const { style } = document.documentElement;
    style.colorScheme = theme.value === 'system' ? 'light dark' : theme.value;
    if (theme.value === 'system') localStorage.removeItem(THEME);
    else localStorage.setItem(THEME, theme.value);
  });
}

export function nextTheme(): void {
  const order: readonly Theme[] = ['system', 'light', 'dark'];
  theme.value = order[(order.indexOf(theme.value) + 1) % order.length] as Theme;
}

/** Reads what is kept under a name; undefined where there is nothing, or nothing that can be read. */
export function readKept<T>(name: string, storage: Storage = localStorage): T | undefined {
  try {
    const text = storage.getItem(`tablecast.${name}`);
    return text === null ? undefined : (JSON.parse(text) as T);
  } catch {
    return undefined;
  }
}

/** Keeps a value; undefined forgets it. A full storage is no reason to stop working. */
export function keepValue(name: string, value: unknown, storage: Storage = localStorage): void {
  try {
    if (value === undefined) storage.removeItem(`tablecast.${name}`);
    else storage.setItem(`tablecast.${name}`, JSON.stringify(value));
  } catch {
    // Nothing is lost but the convenience.
  }
}
