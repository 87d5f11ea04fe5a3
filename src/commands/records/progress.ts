/** Milliseconds between two lines of progress. */
const INTERVAL_MS = 100;
/** Characters of the bar. */
const BAR_LENGTH = 20;

/** Line at a terminal with a bar that shows how far a long command is; elsewhere nothing. */
export class ProgressLine {
  readonly #label: string;
  readonly #output: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>;
  #written = 0;

  constructor(label: string, output: Pick<NodeJS.WriteStream, 'isTTY' | 'write'> = process.stderr) {
    this.#label = label;
    this.#output = output;
  }

  /** @param share the part that is done, from 0 to 1; undefined where it is unknown */
  update(done: number, share?: number): void {
    if (!this.#output.isTTY || Date.now() - this.#written < INTERVAL_MS) return;
    this.#written = Date.now();
    const bar = share === undefined || !Number.isFinite(share) ? '' : ` ${barOf(Math.min(share, 1))}`;
    this.#output.write(`\r\u001b[K${this.#label}${bar} ${format(done)}`);
  }

  /** Removes the line. */
  end(): void {
    if (this.#written > 0) this.#output.write('\r\u001b[K');
    this.#written = 0;
  }
}

function barOf(share: number): string {
  const full = Math.floor(share * BAR_LENGTH);
  const percent = String(Math.floor(share * 100)).padStart(3);
  return `${'█'.repeat(full)}${'░'.repeat(BAR_LENGTH - full)} ${percent} %`;
}

function format(value: number): string {
  return value.toLocaleString('en');
}

/** Returns `1 record` or `12,000 records`. */
export function countOf(count: number, noun = 'record'): string {
  return `${format(count)} ${noun}${count === 1 ? '' : 's'}`;
}
