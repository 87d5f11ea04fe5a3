import { expect, test } from 'vitest';
// @ts-expect-error a script without declarations
import { problemsOf } from '../scripts/commit-message.mjs';

test.each([
  'fix: a refusal reaches the client\n\nLong text; with whatever, and more.',
  'feat(client)!: retries are bounded by time',
  'perf: a list is planned once\n\nGET of 20: 1.34 to 1.73 times the baseline.',
])('takes %j', (message) => {
  expect(problemsOf(message)).toEqual([]);
});

test.each([
  ['Fixed a bug', /Conventional Commits/],
  [`fix: ${'x'.repeat(70)}`, /75 characters, more than 72/],
  ['fix: one thing; perf: another', /two things/],
  ['fix: one thing, and another', /two things/],
  ['perf: lists are faster', /no figure/],
  ['fix: one\nmore', /not empty/],
])('refuses %j', (message, problem) => {
  expect(problemsOf(message).join()).toMatch(problem);
});
