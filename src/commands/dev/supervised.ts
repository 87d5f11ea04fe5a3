/** How `tablecast dev` and the server that it runs speak: a channel whose end is the wish to stop. */
export const SUPERVISED = 'TABLECAST_SUPERVISED';

export interface Started {
  readonly url: string;
}

let onGone: (() => void) | undefined;

/** Calls back when the supervisor wants the server to stop or is gone; only the last one that asked is called. */
export function onSupervisorGone(callback: () => void): void {
  if (process.env[SUPERVISED] === undefined || process.channel === undefined) return;
  if (onGone === undefined) process.once('disconnect', () => onGone?.());
  onGone = callback;
  process.channel?.unref();
}

export function tellSupervisor(url: string): void {
  if (process.env[SUPERVISED] !== undefined) process.send?.({ url } satisfies Started);
}
