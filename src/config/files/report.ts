import { type Diagnostic, StartError } from './diagnostic.ts';
import { diagnoseFile } from './source.ts';

// More would bury the first mistake, and a hostile file must not turn into a gigabyte of text.
const MOST_SHOWN = 100;

/** Collects every mistake, so that a person sees all of them at once. */
export class Report {
  readonly #diagnostics: Diagnostic[] = [];
  #left = 0;

  add(diagnostic: Diagnostic): void {
    if (this.isFull) this.#left += 1;
    else this.#diagnostics.push(diagnostic);
  }

  /** True when further mistakes are only counted: then a costly hint is not worth making. */
  get isFull(): boolean {
    return this.#diagnostics.length >= MOST_SHOWN;
  }

  get hasMistakes(): boolean {
    return this.#diagnostics.length > 0;
  }

  /** In the order of files as they were read, and of places within each. */
  get diagnostics(): readonly Diagnostic[] {
    const files = [...new Set(this.#diagnostics.map(({ at }) => at.file))];
    const sorted = this.#diagnostics.toSorted(
      ({ at: a }, { at: b }) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
    );
    const last = sorted.at(-1);
    if (this.#left === 0 || last === undefined) return sorted;
    return [...sorted, diagnoseFile(last.at.file, `and ${this.#left} more mistakes`)];
  }

  throwIfAny(): void {
    if (this.hasMistakes) throw new StartError(this.diagnostics);
  }
}

/** Runs what may throw a StartError and adds its mistakes instead; undefined when it did. */
export function collect<T>(report: Report, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    for (const diagnostic of error.diagnostics) report.add(diagnostic);
    return undefined;
  }
}

/** As `collect`, for what takes time. */
export async function collectAsync<T>(report: Report, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    for (const diagnostic of error.diagnostics) report.add(diagnostic);
    return undefined;
  }
}
