import closeWithGrace from 'close-with-grace';
import { type StartOptions, startServer } from '../boot.ts';
import { StartError } from '../config/diagnostic.ts';

/** `tablecast start`: serves until it is told to stop. */
export async function startCommand(options: StartOptions): Promise<number> {
  try {
    const server = await startServer(options);
    closeWithGrace({ delay: server.shutdownTimeout + 2000, logger: false }, async ({ err }) => {
      if (err) server.log.fatal({ err }, 'fault: stopping');
      await server.close();
    });
    return 0;
  } catch (error) {
    process.stderr.write(`${describe(error)}\n`);
    return 1;
  }
}

/** Mistakes of the person who starts it are told without a stack; anything else is ours. */
function describe(error: unknown): string {
  if (error instanceof StartError) return error.message;
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
