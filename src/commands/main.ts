import { startCommand } from './start.ts';

/** Runs the command that the arguments name; resolves with the exit code. */
export async function main(args: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [, dir = '.'] = args;
  return startCommand({ dir, env, allowDestructive: args.includes('--allow-destructive') });
}
