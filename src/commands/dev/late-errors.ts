import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { type Diagnostic, formatDiagnostic } from '../../config/files/diagnostic.ts';
import { diagnoseFile, SourceFile } from '../../config/files/source.ts';
import { findPlace, type StackPlace } from '../../hooks/module-loader.ts';
import { paintFor } from '../../server/operations/colors.ts';

const HINTS = {
  exception: 'the server keeps running; tablecast start would stop: catch the error where it is thrown',
  rejection: 'the server keeps running; tablecast start would stop: await the promise, or catch its rejection',
};

/**
 * Keeps a server of `tablecast dev` running after an error that code of the application throws later, in a timer or in a
 * promise that nothing awaits, and prints the error with its line. `otherwise` is called with an error of other code.
 */
export function surviveLateErrors(dir: string, otherwise: (error: unknown) => void): void {
  const folder = resolve(dir);
  const print = (error: unknown, kind: keyof typeof HINTS) => {
    process.stderr.write(`${describeLateError(folder, error, kind)}\n`);
  };
  process.on('unhandledRejection', (reason) => print(reason, 'rejection'));
  process.on('uncaughtException', (error) => {
    if (findPlace(folder, error) === undefined) otherwise(error);
    else print(error, 'exception');
  });
}

/** The line of the error, what to do, and the stack. */
function describeLateError(folder: string, error: unknown, kind: keyof typeof HINTS): string {
  const paint = paintFor(process.stderr, process.env);
  const wrong = { message: `uncaught ${kind}: ${nameError(error)}`, hint: HINTS[kind] };
  const place = findPlace(folder, error);
  const text =
    place === undefined ? `${wrong.message}\n  ${wrong.hint}` : formatDiagnostic(diagnose(place, wrong), paint);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  const frames = stack.split('\n').filter((line) => /^\s+at /.test(line));
  return [text, ...frames.map((frame) => paint('gray', frame))].join('\n');
}

function nameError(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

function diagnose({ file, line }: StackPlace, wrong: { message: string; hint: string }): Diagnostic {
  const path = relative(process.cwd(), file);
  try {
    const text = readFileSync(file, 'utf8');
    const column = 1 + (/^\s*/.exec(text.split('\n')[line - 1] ?? '')?.[0].length ?? 0);
    return new SourceFile(path, text).diagnose({ file: path, line, column }, wrong);
  } catch {
    return diagnoseFile(`${path}:${line}`, wrong.message, wrong.hint);
  }
}
