import closeWithGrace from 'close-with-grace';
import { type RunningServer, startServer } from '../boot/boot.ts';
import { resolveAllowance } from './allowance.ts';
import type { Invocation } from './commands.ts';
import { onSupervisorGone, tellSupervisor } from './dev/supervised.ts';
import { describeFailure } from './failure.ts';
import { collectAlone } from './one-core.ts';
import { parseArguments } from './options.ts';
import { summarize } from './summary.ts';

/** `tablecast start`: serves until it is told to stop. */
export async function start({ args, env }: Invocation): Promise<number> {
  const options = parseArguments(args, ['allow-destructive', 'port', 'host']);
  // Nothing was promised to anybody yet, and what the store is doing is done whole or not at all.
  const stopEarly = () => process.exit(0);
  process.once('SIGTERM', stopEarly).once('SIGINT', stopEarly);
  onSupervisorGone(stopEarly);
  collectAlone();
  try {
    const allowDestructive = await resolveAllowance(options.allowDestructive, { dir: options.dir, env });
    const server = await startServer({ ...options, allowDestructive, env });
    process.off('SIGTERM', stopEarly).off('SIGINT', stopEarly);
    stopWithGrace(server);
    if (process.stdout.isTTY) process.stdout.write(summarize(server));
    tellSupervisor(server.url);
    return 0;
  } catch (error) {
    process.stderr.write(`${describeFailure(error, options.dir)}\n`);
    return 1;
  }
}

/** A signal or a fault stops it gracefully; a second one at once. */
function stopWithGrace(server: RunningServer): void {
  let stopping = false;
  const { close } = closeWithGrace({ delay: server.shutdownTimeout + 2000, logger: false }, async ({ err }) => {
    stopping = true;
    if (err) server.log.fatal({ err }, 'fault: stopping');
    try {
      await server.close();
    } catch (error) {
      server.log.fatal({ err: error }, 'fault while stopping');
      throw error;
    }
  });
  // A signal from the terminal reaches the supervisor and the server, so that the server may be stopping already.
  onSupervisorGone(() => {
    if (!stopping) void close();
  });
}
