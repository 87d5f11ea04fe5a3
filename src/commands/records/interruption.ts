import { constants } from 'node:os';
import { CommandError } from '../failure.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Ctrl-C, or another signal that ends a command. */
export class InterruptedError extends CommandError {
  /** As shells report it: 128 and the number of the signal. */
  readonly exitCode: number;

  constructor(signal: (typeof SIGNALS)[number], message: string) {
    super(message);
    this.exitCode = 128 + constants.signals[signal];
  }
}

/**
 * Runs a command that a signal stops between two of its steps, so that nothing half-written is left. A second signal ends
 * the process at once.
 *
 * @param message what is printed after an interruption
 * @param run throws the reason of its signal where the command can stop
 */
export async function interruptible<T>(message: string, run: (stop: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const listeners = SIGNALS.map((signal) => {
    const listener = () => {
      const error = new InterruptedError(signal, message);
      if (controller.signal.aborted) process.exit(error.exitCode);
      controller.abort(error);
    };
    process.on(signal, listener);
    return () => process.off(signal, listener);
  });
  try {
    return await run(controller.signal);
  } finally {
    for (const remove of listeners) remove();
  }
}

/** The exit code of a failed command. */
export function exitCodeOf(error: unknown, otherwise: number): number {
  return error instanceof InterruptedError ? error.exitCode : otherwise;
}
