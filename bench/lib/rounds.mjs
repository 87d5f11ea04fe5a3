import { median } from './stats.mjs';

/** Measures the sides in turn (A B A B …), since the machine is never quiet for long: {side: [result per round]}. */
export async function interleave(sides, rounds, measure) {
  const results = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, side] of Object.entries(sides)) results[name].push(await measure(side, round, name));
  }
  return results;
}

/**
 * Starts the servers of all sides, lets `measure` give {side: [result per round]} for each of the cases, and does the same
 * again with servers started in the other order: what reads much memory is up to 6 % slower in the process that was
 * started first, whichever it is. Gives [{side: [result per round]} per case].
 */
export async function inEitherOrder(bench, starts, cases, measure) {
  const results = cases.map(() => Object.fromEntries(Object.keys(starts).map((side) => [side, []])));
  for (const order of [Object.keys(starts), Object.keys(starts).reverse()]) {
    const servers = {};
    for (const side of order) servers[side] = await bench.start(side, starts[side]);
    for (const [index, one] of cases.entries()) {
      const measured = await measure(servers, one);
      for (const [side, rounds] of Object.entries(measured)) results[index][side].push(...rounds);
    }
    for (const side of order) await bench.stop(side);
  }
  return results;
}

/** The median of the ratios of neighbours in time, and the medians of both sides. */
export function compare(ours, baseline, pick) {
  return {
    ours: median(ours.map(pick)),
    baseline: median(baseline.map(pick)),
    ratio: median(ours.map((result, i) => pick(result) / pick(baseline[i]))),
  };
}

/** The target of a ratio. */
export function atLeast(value, target) {
  return { target: `≥ ${target} ×`, ok: value >= target };
}

/** The target of a ratio (unit ×, the default) or of the figure itself. */
export function atMost(value, target, unit = '×') {
  return { target: `≤ ${target} ${unit}`, ok: value <= target };
}
