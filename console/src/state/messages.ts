import { signal } from '@preact/signals';
import type { TablecastError } from './http.ts';

export interface Message {
  readonly id: number;
  readonly text: string;
  readonly tone: 'plain' | 'good' | 'bad';
  readonly action?: { readonly label: string; run(): void };
}

export const messages = signal<readonly Message[]>([]);

const SHOWN_MS = 6_000;
const SHOWN_BAD_MS = 12_000;
let lastId = 0;

/** Shows a sentence at the edge of the window for a while. */
export function say(text: string, tone: Message['tone'] = 'plain', action?: Message['action']): void {
  const id = ++lastId;
  messages.value = [...messages.value.slice(-3), { id, text, tone, ...(action && { action }) }];
  setTimeout(() => dismiss(id), tone === 'bad' ? SHOWN_BAD_MS : SHOWN_MS);
}

export function dismiss(id: number): void {
  messages.value = messages.value.filter((message) => message.id !== id);
}

/** Sentence about an error, with its fields. */
export function describeError(error: unknown): string {
  const { message, errors = [], code } = error as TablecastError;
  if (code === 'VALIDATION_ERROR' && errors.length > 0) {
    return errors.map((it) => (it.field ? `${it.field} ${it.message}` : it.message)).join('; ');
  }
  return message ?? String(error);
}

export function sayError(error: unknown): void {
  if ((error as TablecastError).code !== 'ABORTED') say(describeError(error), 'bad');
}
