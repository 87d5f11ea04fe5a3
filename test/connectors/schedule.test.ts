import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { Section } from '../../src/config/keys/section.ts';
import type { Connector, FlowEvent, Handle } from '../../src/connectors/connector.ts';
import { scheduleConnector } from '../../src/connectors/schedule/connector.ts';
import { openContext } from './flow-harness.ts';
import { testConnector } from './suite.ts';

const SECTION = Section.absent('flows.f', 'config.yaml');

async function open(handle: Handle, settings: object) {
  const context = await openContext('schedule');
  const connector: Connector = scheduleConnector.create({}, context);
  const all = { cron: undefined, every: undefined, timezone: 'UTC', ...settings };
  connector.listen({ flow: 'f', operation: 'tick', settings: all, section: SECTION }, handle);
  void connector.register(undefined as never);
  void connector.start();
  onTestFinished(async () => connector.stop());
  return { connector, context };
}

// Time happens by itself: a thing is whatever run comes next.
testConnector('schedule', {
  source: {
    failure: 'redelivers',
    isDurable: false,
    open: async (handle) => {
      let runs = 0;
      const numbers = new Map<unknown, number>();
      let wanted = 0;
      const { connector } = await open(
        async (event) => {
          if (runs >= wanted) return null;
          runs++;
          numbers.set(event.input, runs);
          return handle(event);
        },
        { every: 100 },
      );
      return {
        emit: async (number) => {
          wanted = number;
          await vi.waitFor(() => expect(runs).toBeGreaterThanOrEqual(number), 2000);
        },
        numberOf: (input) => numbers.get(input) ?? 0,
        stop: async () => connector.stop(),
      };
    },
  },
});

describe('a schedule', () => {
  test('gives its name and the time', async () => {
    const events: FlowEvent[] = [];
    const { connector, context } = await open(async (event) => void events.push(event), { cron: '* * * * * *' });
    await vi.waitFor(() => expect(events.length).toBeGreaterThan(0), 3000);
    const [first] = events;
    expect(first?.input).toEqual({ event: 'schedule', name: 'tick', time: expect.stringMatching(/^\d{4}-.*Z$/) });
    expect([first?.key, first?.identity.type]).toEqual([`schedule:f:${String(first?.input.time)}`, 'server']);
    expect([connector.status(), context.faults]).toEqual([{ connections: 0 }, []]);
    expect(() => connector.target(undefined as never)).toThrow('cannot be a target');
  });

  test('runs of one flow do not overlap, and a failure is reported', async () => {
    let atOnce = 0;
    let most = 0;
    let runs = 0;
    const { context } = await open(
      async () => {
        atOnce++;
        runs++;
        most = Math.max(most, atOnce);
        await new Promise((done) => setTimeout(done, 60));
        atOnce--;
        if (runs === 1) throw new Error('not this time');
      },
      { every: 10 },
    );
    await vi.waitFor(() => expect(runs).toBeGreaterThan(3), 5000);
    expect(most).toBe(1);
    expect(context.faults.map(String)).toEqual(['Error: not this time']);
  });
});
