import type { Handle, SourceType } from '../../connector.ts';
import type { FlowRunner } from './flow-runner.ts';

/**
 * Runs all flows of one source with each event. Where a sender waits for the outcome, the first flow whose `when` matches
 * answers; failures of the others become dead letters.
 */
export function fanOut(
  runners: readonly FlowRunner[],
  { failure }: SourceType,
  onError: (error: unknown) => void,
): Handle {
  return async (event) => {
    const tasks = runners.flatMap((runner) => {
      const task = runner.prepare(event);
      return task === undefined ? [] : [{ runner, task }];
    });
    const settled = await Promise.allSettled(
      tasks.map(({ runner, task }, index) =>
        runner.run(task, failure === 'answers' && index === 0 ? 'sender' : 'dead letters'),
      ),
    );
    const [first, ...others] = settled;
    for (const other of others) {
      if (other.status === 'fulfilled') continue;
      // The source delivers the event again.
      if (failure === 'redelivers') throw other.reason;
      onError(other.reason);
    }
    if (first?.status === 'rejected') throw first.reason;
    return first?.value ?? null;
  };
}
