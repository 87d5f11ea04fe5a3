import { short } from './stats.mjs';

const HEADS = [
  'case',
  'ratio',
  'target',
  '',
  'ours',
  'baseline',
  'unit',
  'p50/p99 ms ours',
  'p50/p99 ms baseline',
  'note',
];

export function printTable(rows) {
  const lines = [HEADS, ...rows.map(makeCells)];
  const widths = HEADS.map((_, column) => Math.max(...lines.map((line) => [...line[column]].length)));
  for (const [index, line] of lines.entries()) {
    console.log(
      line
        .map((cell, column) => pad(cell, widths[column], column))
        .join('  ')
        .trimEnd(),
    );
    if (index === 0) console.log(widths.map((width) => '─'.repeat(width)).join('  '));
  }
}

function makeCells(row) {
  const verdict = row.target === undefined ? '' : row.ok ? 'ok' : 'below';
  const [ours, baseline] = (row.latency ?? [undefined, undefined]).map(makeLatency);
  const figures = [short(row.ours), short(row.baseline), row.unit, ours ?? '', baseline ?? '', row.note ?? ''];
  return [row.name, Number.isNaN(row.ratio) ? '–' : `${row.ratio.toFixed(2)} ×`, row.target ?? '', verdict, ...figures];
}

function makeLatency(latency) {
  return latency === undefined ? '' : `${short(latency.p50)} / ${short(latency.p99)}`;
}

function pad(cell, width, column) {
  const space = ' '.repeat(width - [...cell].length);
  const isNumber = column === 1 || column === 4 || column === 5;
  return isNumber ? space + cell : cell + space;
}
