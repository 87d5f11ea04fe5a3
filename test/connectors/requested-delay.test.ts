import { expect, test } from 'vitest';
import { RetryLaterError } from '../../src/connectors/connector.ts';
import { requestedDelay } from '../../src/connectors/flows/run/backoff.ts';

const POLICY = { attempts: 5, delay: 100, maxDelay: 60_000 };

test('a target is not asked again before it has said, as far as the flow waits at all', () => {
  expect(requestedDelay([new Error('busy')], POLICY)).toBe(0);
  expect(
    requestedDelay([new Error('busy'), new RetryLaterError('later', 7000), new RetryLaterError('', 1)], POLICY),
  ).toBe(7000);
  expect(requestedDelay([new RetryLaterError('tomorrow', 86_400_000)], POLICY)).toBe(60_000);
});
