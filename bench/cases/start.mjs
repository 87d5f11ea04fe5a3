// From the spawn of the process to the first 200 on a record of an existing store, asked every 5 ms.
import { atMost } from '../lib/rounds.mjs';
import { median } from '../lib/stats.mjs';
import { startHandwritten } from '../servers/start.mjs';

export async function run(bench) {
  const seed = { messages: 5000, notes: 5000 };
  const ours = await bench.start('ours', () => bench.startOurs(seed));
  // The baseline opens its store with the rows in it, too.
  const baseline = await bench.start('baseline', () => startHandwritten(seed));
  const times = { ours: [], baseline: [] };
  for (let i = 0; i < (bench.quick ? 3 : 5); i++) {
    times.ours.push(await ours.restart());
    times.baseline.push(await baseline.restart());
  }
  const result = { ours: median(times.ours), baseline: median(times.baseline) };
  const ratio = result.ours / result.baseline;
  bench.row({ name: 'Start to first answer', unit: 'ms', ...result, ratio, ...atMost(result.ours, 400, 'ms') });
}
