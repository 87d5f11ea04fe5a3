import { readFileSync } from 'node:fs';

/** Milliseconds of processor time that the call takes: unlike the clock, other programs on the machine do not count. */
export function cpuTimeOf(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Ticks of a second in /proc, on every Linux there is. */
const TICKS = 100;

/** Milliseconds of processor time that a process has used since it began. */
export function cpuTimeOfProcess(pid: number): number {
  // The name of the program, in parentheses, may have spaces.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS;
}
