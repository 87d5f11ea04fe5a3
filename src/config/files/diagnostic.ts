/** Location in a source file. Lines and columns count from 1; line 0 is the file as a whole. */
export interface SourceLocation {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Mistake in schema or configuration. */
export interface Diagnostic {
  readonly at: SourceLocation;
  readonly message: string;
  /** Suggests what to write instead. */
  readonly hint?: string;
  /** The source line, shown with a caret below the column. */
  readonly sourceLine?: string;
}

/** Symbol that is the same in every copy of the package. */
const START_ERROR: unique symbol = Symbol.for('tablecast.StartError');

/** Error of the start with every mistake found, so that all of them can be fixed at once. Nothing was created. */
export class StartError extends Error {
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map((one) => formatDiagnostic(one)).join('\n\n'));
    this.name = 'StartError';
    this.diagnostics = diagnostics;
  }

  /** Accepts instances of another copy of the package, too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    // biome-ignore lint/complexity/noThisInStatic: the class that stands on the right of instanceof
    if (this !== StartError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return value instanceof Error && START_ERROR in value;
  }

  get [START_ERROR](): true {
    return true;
  }
}

/** Gives a part of the text a style, at a terminal. */
export type PaintDiagnostic = (style: 'bold' | 'red', text: string) => string;

/** Formats a mistake: `file:line:column message`, the source line with a caret, and the hint. */
export function formatDiagnostic(
  { at, message, hint, sourceLine }: Diagnostic,
  paint: PaintDiagnostic = (_, text) => text,
): string {
  const place = at.line === 0 ? at.file : `${at.file}:${at.line}:${at.column}`;
  const lines = [`${paint('bold', place)} ${message}`];
  if (sourceLine !== undefined) {
    const gutter = `  ${at.line} | `;
    const indent = sourceLine.slice(0, at.column - 1).replace(/[^\t]/g, ' ');
    lines.push(gutter + sourceLine, `${' '.repeat(gutter.length)}${indent}${paint('red', '^')}`);
  }
  if (hint !== undefined) lines.push(`  ${hint}`);
  return lines.join('\n');
}
