/** Milliseconds of processor time that the call takes: unlike the clock, other programs on the machine do not count. */
export function cpuTimeOf(run: () => unknown): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}
