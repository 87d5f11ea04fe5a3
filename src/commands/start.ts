import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import closeWithGrace from 'close-with-grace';
import { startServer } from '../boot/boot.ts';
import type { RunningServer } from '../boot/lifecycle/running-server.ts';
import { resolveAllowance } from './allowance.ts';
import type { Invocation } from './commands.ts';
import { surviveLateErrors } from './dev/late-errors.ts';
import { isRestart, isSupervised, onSupervisorGone, tellSupervisor } from './dev/supervised.ts';
import { describeFailure } from './failure.ts';
import { parseArguments } from './options.ts';
import { summarize } from './summary.ts';

/** `tablecast start`: serves the applications until a signal stops the server. */
export async function start({ args, env }: Invocation): Promise<number> {
  const options = parseArguments(args, ['allow-destructive', 'port', 'host', 'json']);
  // No request has been acknowledged yet, and each step of the store is atomic.
  const stopEarly = () => process.exit(0);
  process.once('SIGTERM', stopEarly).once('SIGINT', stopEarly);
  onSupervisorGone(stopEarly);
  collectAlone();
  try {
    const allowDestructive = await resolveAllowance(options.allowDestructive, { dir: options.dir, env });
    const server = await startServer({ ...options, allowDestructive, env });
    stopWithGrace(server, options.dir);
    process.off('SIGTERM', stopEarly).off('SIGINT', stopEarly);
    if (server.isLogPretty && process.stdout.isTTY && !isRestart()) {
      process.stdout.write(summarize(server));
      if (options.host !== undefined) (await import('./qr-code.ts')).showQrCode(server);
    }
    tellSupervisor(server.url);
    return 0;
  } catch (error) {
    process.stderr.write(`${describeFailure(error, options.dir)}\n`);
    return 1;
  }
}

const ERROR_EVENTS: ['uncaughtException', 'unhandledRejection'] = ['uncaughtException', 'unhandledRejection'];

/** Stops the server gracefully at a signal or a fault, and at once at a second signal. `tablecast dev` keeps it after some faults. */
function stopWithGrace(server: RunningServer, dir: string): void {
  let stopping = false;
  const delay = server.shutdownTimeout + 2000;
  const skip = isSupervised() ? ERROR_EVENTS : [];
  const { close } = closeWithGrace({ delay, logger: false, skip }, async ({ err }) => {
    stopping = true;
    if (err) server.log.fatal({ err }, 'fault: stopping');
    try {
      await server.close();
    } catch (error) {
      server.log.fatal({ err: error }, 'fault while stopping');
      throw error;
    }
  });
  // Ctrl-C at the terminal reaches both the supervisor and the server, which may be stopping already.
  onSupervisorGone(() => {
    if (!stopping) void close();
  });
  if (!isSupervised()) return;
  surviveLateErrors(dir, (error) => {
    server.log.fatal({ err: error }, 'fault: stopping');
    process.exitCode = 1;
    if (!stopping) void close();
  });
}

/**
 * Turns off the helper threads of V8's young generation on a machine with one core, where they take turns with the main
 * thread: that costs 4 % of a write.
 */
export function collectAlone(cores = availableParallelism(), setFlags = setFlagsFromString): void {
  if (cores === 1) setFlags('--no-parallel-scavenge');
}
