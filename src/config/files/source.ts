import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import type { Wrong } from '../keys/units.ts';
import type { Diagnostic, SourceLocation } from './diagnostic.ts';

/** Characters up to which a line is quoted. A longer one would fill the screen instead of showing the location. */
const MAX_QUOTED_LINE_CHARS = 200;

/** Text of a source file, with its lines for diagnostics. */
export class SourceFile {
  /** Path in diagnostics: relative to the folder that the command was called with. */
  readonly file: string;
  readonly text: string;
  #lines: readonly string[] | undefined;
  #starts: readonly number[] | undefined;

  constructor(file: string, text: string) {
    this.file = file;
    // A byte order mark does not belong to the first line.
    this.text = text.startsWith('\uFEFF') ? text.slice(1) : text;
  }

  locate(offset: number): SourceLocation {
    this.#starts ??= [0, ...Array.from(this.text.matchAll(/\r\n|\n|\r/g), (end) => end.index + end[0].length)];
    let low = 0;
    let high = this.#starts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.file, line: low + 1, column: offset - (this.#starts[low] ?? 0) + 1 };
  }

  diagnose(at: SourceLocation, { message, hint }: Wrong): Diagnostic {
    this.#lines ??= this.text.split(/\r\n|\n|\r/);
    const line = this.#lines[at.line - 1];
    const isQuoted = line !== undefined && line.length <= MAX_QUOTED_LINE_CHARS && line.trim() !== '';
    return { at, message, ...(hint === undefined ? {} : { hint }), ...(isQuoted ? { sourceLine: line } : {}) };
  }
}

/** Makes a mistake that concerns a whole file or folder. */
export function diagnoseFile(file: string, message: string, hint?: string): Diagnostic {
  return { at: { file, line: 0, column: 0 }, message, ...(hint === undefined ? {} : { hint }) };
}

export interface ReadOptions {
  /** Name of the file in diagnostics. */
  readonly shown: string;
  readonly maxBytes: number;
}

/** Reads a text file. Returns undefined when it does not exist, a diagnostic when it cannot be read. */
export function readSource(path: string, { shown, maxBytes }: ReadOptions): SourceFile | Diagnostic | undefined {
  let descriptor: number;
  try {
    // Without O_NONBLOCK, opening a named pipe would never return.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    return diagnoseFile(shown, `cannot be read (${code})`);
  }
  try {
    const stat = fstatSync(descriptor);
    if (!stat.isFile()) return diagnoseFile(shown, 'is not a file');
    if (stat.size > maxBytes) return diagnoseFile(shown, `is larger than ${maxBytes} bytes`);
    const bytes = Buffer.alloc(stat.size);
    const length = readSync(descriptor, bytes, 0, stat.size, 0);
    return new SourceFile(shown, new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, length)));
  } catch (error) {
    return diagnoseFile(
      shown,
      error instanceof TypeError ? 'is not UTF-8 text' : `cannot be read (${errorCode(error)})`,
    );
  } finally {
    closeSync(descriptor);
  }
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
}
