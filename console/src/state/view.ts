import { computed, signal } from '@preact/signals';

/** An administrator's view of what another caller sees. */
export interface View {
  readonly app: string;
  readonly token: string;
  readonly sub: string;
  readonly roles: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** View that is open; in memory only, so that a reload ends it. */
export const view = signal<View | undefined>(undefined);

/** Whether records may be written: never in a view. */
export const canWrite = computed(() => view.value === undefined);
