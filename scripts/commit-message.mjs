// Checks commit messages: `node scripts/commit-message.mjs FILE` for one that is being written,
// `node scripts/commit-message.mjs --range A..B` for those of a range. Exit code 1 when one breaks a rule.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const MAX_SUBJECT_LENGTH = 72;
const SUBJECT = /^(?:feat|fix|perf|refactor|docs|test|build|ci|bench|chore|style|revert)(?:\([\w-]+\))?!?: \S/;

/** Returns what is wrong with a commit message, one sentence for each rule that it breaks. */
export function problemsOf(message) {
  const lines = message.split('\n').filter((line) => !line.startsWith('#'));
  const [subject = '', ...body] = lines;
  const problems = [];
  if (!SUBJECT.test(subject)) problems.push('the subject is not "type: what it does" (Conventional Commits)');
  const { length } = [...subject];
  if (length > MAX_SUBJECT_LENGTH)
    problems.push(`the subject has ${length} characters, more than ${MAX_SUBJECT_LENGTH}`);
  if (/; |, and /.test(subject)) problems.push('the subject names two things: make it two commits');
  if ((body[0] ?? '') !== '') problems.push('the line after the subject is not empty');
  if (subject.startsWith('perf') && !/\d/.test([subject, ...body].join('\n'))) {
    problems.push('a perf commit states no figure: write before and after, or the ratio');
  }
  return problems;
}

function readRange(range) {
  const text = execFileSync('git', ['log', '--no-merges', '--format=%H%n%B%x00', range], { encoding: 'utf8' });
  const entries = text.split('\0').map((entry) => entry.trim());
  return entries
    .filter((entry) => entry !== '')
    .map((entry) => [entry.slice(0, 10), entry.slice(entry.indexOf('\n') + 1)]);
}

function main([first, second]) {
  const messages = first === '--range' ? readRange(second) : [['', readFileSync(first, 'utf8')]];
  let count = 0;
  for (const [commit, message] of messages) {
    for (const problem of problemsOf(message)) {
      count++;
      process.stderr.write(`${commit} ${message.split('\n', 1)[0]}\n  ${problem}\n`);
    }
  }
  process.stdout.write(`${messages.length} commit messages checked, ${count} problems\n`);
  return count === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main(process.argv.slice(2));
