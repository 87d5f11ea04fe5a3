import type { ASTNode } from 'graphql';
import type { SourceLocation } from '../../config/files/diagnostic.ts';
import type { Report } from '../../config/files/report.ts';
import { diagnoseFile, type SourceFile } from '../../config/files/source.ts';
import { suggest } from '../../config/files/suggest.ts';
import type { Wrong } from '../../config/keys/units.ts';

/** Reports errors at the locations of GraphQL nodes, over several files. */
export class SchemaReport {
  readonly #report: Report;
  readonly #files: ReadonlyMap<string, SourceFile>;
  /** True when a file could not be read to its end. */
  hasSyntaxErrors = false;

  constructor(report: Report, files: readonly SourceFile[]) {
    this.#report = report;
    this.#files = new Map(files.map((file) => [file.file, file]));
  }

  /** Returns `did you mean …?`. Undefined when the report is full: thousands of errors times thousands of names take long. */
  suggest(written: string, ...candidates: readonly Iterable<string>[]): string | undefined {
    return this.#report.isFull
      ? undefined
      : suggest(
          written,
          candidates.flatMap((names) => [...names]),
        );
  }

  wrong(node: ASTNode, message: string, hint?: string): void {
    this.wrongAt(locate(node), { message, ...(hint === undefined ? {} : { hint }) });
  }

  wrongAt(at: SourceLocation, wrong: Wrong): void {
    const file = this.#files.get(at.file);
    this.#report.add(file === undefined ? diagnoseFile(at.file, wrong.message, wrong.hint) : file.diagnose(at, wrong));
  }
}

/** Returns the location of a node; of a definition the location of its name, since its docstring comes first. */
export function locate(node: ASTNode): SourceLocation {
  const named = 'description' in node && 'name' in node && node.name !== undefined ? node.name : node;
  const { loc } = named;
  if (loc === undefined) return { file: '', line: 0, column: 0 };
  return { file: loc.source.name, line: loc.startToken.line, column: loc.startToken.column };
}
