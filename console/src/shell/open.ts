import { signal } from '@preact/signals';

export const isPaletteOpen = signal(false);
export const isViewAsOpen = signal(false);
export const isHelpOpen = signal(false);
/** Whether the navigation is open, where the window is too narrow to show it always. */
export const isNavOpen = signal(false);
