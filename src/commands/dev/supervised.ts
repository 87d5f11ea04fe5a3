/** Environment variable of a server that `tablecast dev` runs. The server stops when their IPC channel closes. */
export const SUPERVISED = 'TABLECAST_SUPERVISED';

/** The values of the variable: for the first server, and for those that replace one. */
export const FIRST_START = 'first';
export const RESTART = 'restart';

/** True when `tablecast dev` runs this server in place of an earlier one. */
export function isRestart(): boolean {
  return process.env[SUPERVISED] === RESTART;
}

/** True when `tablecast dev` runs this server. */
export function isSupervised(): boolean {
  return process.env[SUPERVISED] !== undefined;
}

/** Message that the server sends when it listens. */
export interface Started {
  readonly url: string;
}

let onGone: (() => void) | undefined;

/** Runs the callback when the supervisor stops the server or has ended. A later callback replaces an earlier one. */
export function onSupervisorGone(callback: () => void): void {
  if (!isSupervised() || process.channel === undefined) return;
  if (onGone === undefined) process.once('disconnect', () => onGone?.());
  onGone = callback;
  process.channel?.unref();
}

/** Reports to the supervisor, if there is one, that the server listens. */
export function tellSupervisor(url: string): void {
  if (isSupervised()) process.send?.({ url } satisfies Started);
}
