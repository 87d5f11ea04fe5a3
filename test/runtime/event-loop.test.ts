import { describe, expect, test } from 'vitest';
import { afterCommit, beforeDelivery } from '../../src/runtime/event-loop.ts';

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('the end of a turn', () => {
  test('commits before it delivers, in whichever order they were scheduled', async () => {
    const done: string[] = [];
    afterCommit(() => done.push('delivery'));
    beforeDelivery(() => done.push('commit'));
    await turn();
    expect(done).toEqual(['commit', 'delivery']);
  });

  test('answers committed writes before it delivers', async () => {
    const done: string[] = [];
    afterCommit(() => done.push('delivery'));
    await new Promise<void>((resolve) => beforeDelivery(resolve)).then(() => done.push('answer'));
    await turn();
    expect(done).toEqual(['answer', 'delivery']);
  });

  test('runs a task once that was scheduled twice, and again when it is scheduled again', async () => {
    let count = 0;
    const task = () => {
      count++;
    };
    afterCommit(task);
    afterCommit(task);
    await turn();
    expect(count).toBe(1);
    afterCommit(task);
    await turn();
    expect(count).toBe(2);
  });

  test('does not delay deliveries for a writer that writes again as soon as it is answered', async () => {
    let deliveries = 0;
    const deliver = () => {
      deliveries++;
      afterCommit(deliver);
    };
    afterCommit(deliver);
    for (let n = 0; n < 50; n++) await new Promise<void>((resolve) => beforeDelivery(resolve));
    expect(deliveries).toBeGreaterThanOrEqual(24);
  });
});
