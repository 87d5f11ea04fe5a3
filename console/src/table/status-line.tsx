import type { JSX } from 'preact';
import { formatCount, formatTime, timeOfSeq } from '../state/text.ts';
import type { TableController } from './controller.ts';

const STATUS: Readonly<Record<string, string>> = {
  loading: 'loading',
  live: 'live',
  waiting: 'server is away, trying again',
  off: 'not live',
  failed: 'not read',
};

/** How many, how fresh, how fast. */
export function StatusLine({ table }: { readonly table: TableController }): JSX.Element {
  table.hasSpoken.value;
  const { rows } = table;
  const { loaded, total, isUncounted, status, held, position, took } = rows;
  const shown = formatCount(loaded.length);
  const count =
    rows.isLast && rows.start === 0
      ? `${shown} ${loaded.length === 1 ? 'record' : 'records'}`
      : many(shown, total, isUncounted);
  const isPaused = table.isPaused.value;
  return (
    <footer class="status-line">
      <span class="count">{status === 'failed' && loaded.length === 0 ? '' : count}</span>
      <span class={`live-state ${isPaused ? 'paused' : status}`} role="status">
        {isPaused ? 'paused' : STATUS[status]}
      </span>
      {held > 0 && <span class="held">{formatCount(held)} changes wait</span>}
      <span class="spacer" />
      {position > 0 && (
        <span class="seq" title={`seq ${position}`}>
          as of {formatTime(timeOfSeq(position))}
        </span>
      )}
      {took > 0 && <span>{Math.max(1, Math.round(took))} ms</span>}
    </footer>
  );
}

function many(shown: string, total: number | undefined, isUncounted: boolean): string {
  if (total !== undefined) return `${formatCount(total)} records`;
  return isUncounted ? `more than ${shown} records` : `${shown} records and more`;
}
