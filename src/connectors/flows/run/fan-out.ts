import type { Handle, SourceType } from '../../connector.ts';
import type { FlowRunner } from './flow-runner.ts';

/**
 * Takes the events of one source to all its flows. Where somebody waits for the outcome, the first flow that has
 * something to do with the event answers; what fails in the others is kept among the dead letters.
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
      // The source lets it come again.
      if (failure === 'redelivers') throw other.reason;
      onError(other.reason);
    }
    if (first?.status === 'rejected') throw first.reason;
    return first?.value ?? null;
  };
}
