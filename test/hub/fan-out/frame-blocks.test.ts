import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameBlocks } from '../../../src/hub/fan-out/frame-blocks.ts';

const KB = 1024;

function frame(size: number, letter: string): Buffer {
  return Buffer.from(letter.repeat(size));
}

type Step =
  | { readonly push: number }
  | { readonly drop: number; readonly least: number }
  | { readonly clear: true }
  | { readonly join: readonly [number, number] };

const SIZE = fc.oneof(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 300 * KB }));
const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ push: SIZE }) },
  { weight: 1, arbitrary: fc.record({ drop: fc.nat(200 * KB), least: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.constant({ clear: true } as const) },
  { weight: 4, arbitrary: fc.record({ join: fc.tuple(fc.nat(50), fc.nat(50)) }) },
);

describe('frames in memory', () => {
  test('are those that were pushed, in whichever way they are joined, dropped and cleared', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
        const frames = new FrameBlocks();
        let model: Buffer[] = [];
        const handedOut: [Buffer, Buffer][] = [];
        for (const [index, step] of steps.entries()) {
          if ('push' in step) {
            const bytes = frame(step.push, String.fromCharCode(97 + (index % 26)));
            frames.push(bytes);
            model.push(bytes);
          } else if ('drop' in step) {
            const count = frames.drop(step.drop, step.least);
            model = model.slice(count);
            const isEnough = frames.bytes <= step.drop || model.length <= step.least;
            expect(isEnough).toBe(true);
          } else if ('clear' in step) {
            frames.clear();
            model = [];
          } else if (model.length > 0) {
            const [from, to] = between(step.join, model.length);
            const joined = frames.join(from, to);
            handedOut.push([joined, Buffer.concat(model.slice(from, to))]);
          }
          expect(frames.length).toBe(model.length);
          expect(frames.bytes).toBe(model.reduce((sum, { length }) => sum + length, 0));
        }
        // Bytes that were handed out long ago were not overwritten either.
        for (const [joined, expected] of handedOut) expect(joined.equals(expected)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('are cut into writes that have all of them in order, each within the maximum or one frame', () => {
    const maxBytes = 128 * KB;
    fc.assert(
      fc.property(fc.array(SIZE, { minLength: 1, maxLength: 80 }), (sizes) => {
        const frames = new FrameBlocks();
        for (const size of sizes) frames.push(frame(size, 'x'));
        let from = 0;
        while (from < sizes.length) {
          const to = frames.endOfWrite(from, sizes.length, maxBytes);
          expect(to).toBeGreaterThan(from);
          expect(to).toBeLessThanOrEqual(sizes.length);
          const { length } = frames.join(from, to);
          expect(length).toBe(sizes.slice(from, to).reduce((sum, size) => sum + size, 0));
          expect(length <= maxBytes || to - from === 1).toBe(true);
          from = to;
        }
      }),
    );
  });

  test('are next to each other in memory, so that many are one slice of a block', () => {
    const frames = new FrameBlocks();
    for (let n = 0; n < 400; n++) frames.push(frame(150, 'x'));
    const [all, half] = [frames.join(300, 400), frames.join(350, 400)];
    expect(all.buffer === half.buffer).toBe(true);
  });

  test('are not copied while there is only one', () => {
    const frames = new FrameBlocks();
    const alone = frame(20, 'x');
    frames.push(alone);
    expect(frames.join(0, 1).buffer === alone.buffer).toBe(true);
  });

  test('are not stored in a large block when they are small', () => {
    const frames = new FrameBlocks();
    frames.push(frame(20, 'x'));
    frames.push(frame(20, 'x'));
    expect(frames.join(0, 2).buffer.byteLength).toBeLessThanOrEqual(4 * KB);
  });
});

function between([one, two]: readonly [number, number], length: number): [number, number] {
  const [a, b] = [one % length, two % length];
  return [Math.min(a, b), Math.max(a, b) + 1];
}
