import type { OptionName } from './options.ts';

/** One command of the program. Its code is loaded when it is run: none waits for what another one needs. */
export interface Command {
  /** What it takes, as shown by `help`. */
  readonly usage: string;
  readonly what: string;
  readonly options: readonly OptionName[];
  /** Resolves with the exit code, or when the program is to go on without it. */
  load(): Promise<(invocation: Invocation) => Promise<number> | number>;
}

export interface Invocation {
  /** Without the command's name. */
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  start: {
    usage: 'start [dir] [--allow-destructive] [--port n] [--host h]',
    what: 'serve the application in the folder (or every application in its folders)',
    options: ['allow-destructive', 'port', 'host'],
    load: async () => (await import('./start.ts')).start,
  },
  dev: {
    usage: 'dev [dir] [--allow-destructive] [--port n] [--host h]',
    what: 'serve it, and again whenever its schema, configuration or code changes',
    options: ['allow-destructive', 'port', 'host'],
    load: async () => (await import('./dev.ts')).dev,
  },
  check: {
    usage: 'check [dir]',
    what: 'say what is wrong with schema and configuration, or what they amount to',
    options: [],
    load: async () => (await import('./check.ts')).check,
  },
  help: {
    usage: 'help',
    what: 'this text',
    options: [],
    load: async () => (await import('./help.ts')).help,
  },
  version: {
    usage: 'version',
    what: 'the version of the program',
    options: [],
    load: async () => (await import('./version.ts')).version,
  },
};
