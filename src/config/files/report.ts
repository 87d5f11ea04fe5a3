import { type Diagnostic, StartError } from './diagnostic.ts';
import { diagnoseFile } from './source.ts';

/** Mistakes of a report. More would bury the first one, and a hostile file must not produce a gigabyte of text. */
const MAX_DIAGNOSTICS = 100;

/** Collects mistakes, so that all of them are reported at once. */
export class Report {
  readonly #diagnostics: Diagnostic[] = [];
  #omitted = 0;

  add(diagnostic: Diagnostic): void {
    if (this.isFull) this.#omitted += 1;
    else this.#diagnostics.push(diagnostic);
  }

  /** True when further mistakes are only counted, so that costly hints can be skipped. */
  get isFull(): boolean {
    return this.#diagnostics.length >= MAX_DIAGNOSTICS;
  }

  get hasMistakes(): boolean {
    return this.#diagnostics.length > 0;
  }

  /** Mistakes, sorted by file in the order of reading, then by location. */
  get diagnostics(): readonly Diagnostic[] {
    const files = [...new Set(this.#diagnostics.map(({ at }) => at.file))];
    const sorted = this.#diagnostics.toSorted(
      ({ at: a }, { at: b }) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
    );
    const last = sorted.at(-1);
    if (this.#omitted === 0 || last === undefined) return sorted;
    return [...sorted, diagnoseFile(last.at.file, `and ${this.#omitted} more errors`)];
  }

  throwIfAny(): void {
    if (this.hasMistakes) throw new StartError(this.diagnostics);
  }
}

/** Runs a function and adds the mistakes of a StartError to the report; returns undefined then. */
export function collect<T>(report: Report, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    for (const diagnostic of error.diagnostics) report.add(diagnostic);
    return undefined;
  }
}

/** Does the same as `collect` for an asynchronous function. */
export async function collectAsync<T>(report: Report, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    for (const diagnostic of error.diagnostics) report.add(diagnostic);
    return undefined;
  }
}
