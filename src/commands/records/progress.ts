/** Milliseconds between two lines of progress. */
const INTERVAL_MS = 100;

/** Line at a terminal that says how far a long command is; elsewhere nothing. */
export class ProgressLine {
  readonly #label: string;
  readonly #output: NodeJS.WriteStream;
  #written = 0;

  constructor(label: string, output: NodeJS.WriteStream = process.stderr) {
    this.#label = label;
    this.#output = output;
  }

  update(done: number, total?: number): void {
    if (!this.#output.isTTY || Date.now() - this.#written < INTERVAL_MS) return;
    this.#written = Date.now();
    const percent =
      total === undefined || total === 0 ? '' : ` of ${format(total)} (${Math.floor((100 * done) / total)} %)`;
    this.#output.write(`\r\u001b[K${this.#label}: ${format(done)}${percent}`);
  }

  /** Removes the line. */
  end(): void {
    if (this.#written > 0) this.#output.write('\r\u001b[K');
  }
}

function format(value: number): string {
  return value.toLocaleString('en');
}

/** Returns `1 record` or `12,000 records`. */
export function countOf(count: number, noun = 'record'): string {
  return `${format(count)} ${noun}${count === 1 ? '' : 's'}`;
}
