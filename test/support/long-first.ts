import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take longest, which their size does not tell. Without the times of an earlier run the runner begins with the
 * largest files: one of these would be the last, with nothing to run beside it.
 */
const LONG: readonly string[] = [
  'cluster/checker',
  'property/renames',
  'cluster/rabbitmq',
  'browser/console-screens',
  'cluster/rooms',
  'cluster/servers',
  'cluster/two-servers',
  'cluster/references',
  'cluster/external',
  'cluster/nats',
  'store/postgres/rolling',
  'store/postgres/rename-faults',
  'store/sqlite/rename-faults',
  'commands/get-started',
  'browser/template-react',
  'e2e/heartbeat-reconnect',
  'e2e/bank-kill',
];

/** Begins with the files that take longest. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const rank = ({ moduleId }: TestSpecification) => {
      const place = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return place < 0 ? LONG.length : place;
    };
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}
