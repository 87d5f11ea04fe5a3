// npm run mutants [-- words of a name]: makes each fault, runs the tests that must find it, and prints which did.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'rolldown';
import { serverBundle } from '../../scripts/server-bundle.mjs';
import { MUTANTS, mutate } from './mutants.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** Runs of the checker in which a fault has to show. */
const RUNS = 8;
const MAX_MS = 600_000;

const words = process.argv.slice(2);
const chosen = MUTANTS.filter(({ name }) => words.every((word) => name.includes(word)));
const survivors = [];
for (const mutant of chosen) {
  const { found, seconds, output } = await hunt(mutant);
  console.log(`${found ? 'found   ' : 'SURVIVED'} ${seconds} s  ${mutant.name} (${mutant.tests.join(': ')})`);
  if (found) continue;
  survivors.push(mutant.name);
  console.log(output.slice(-2000));
}
console.log(`${chosen.length - survivors.length} of ${chosen.length} faults found`);
process.exit(survivors.length === 0 ? 0 : 1);

async function hunt(mutant) {
  const began = performance.now();
  const dir = mutant.isBuilt ? mkdtempSync(join(ROOT, 'dist-mutant-')) : undefined;
  try {
    if (dir !== undefined) await build({ ...serverBundle(dir, [mutate(mutant)]), logLevel: 'silent' });
    const program = dir === undefined ? {} : { TABLECAST_TEST_PROGRAM: join(dir, 'cli.js') };
    const [file, title] = mutant.tests;
    const { code, output } = await test(file, title, { ...program, TABLECAST_MUTANT: mutant.name });
    const seconds = Math.round((performance.now() - began) / 1000);
    return { found: code !== 0 && mutant.shows.test(output), seconds, output };
  } finally {
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  }
}

function test(file, title, env) {
  const config = join(ROOT, 'test/mutants/vitest.config.mjs');
  const args = ['vitest', 'run', '--config', config, file, ...(title === '' ? [] : ['-t', title])];
  const long = { TABLECAST_CLUSTER_RUNS: String(RUNS), TABLECAST_CLUSTER_RANDOM: '0', NO_COLOR: '1', ...env };
  return new Promise((resolve) => {
    const child = spawn('npx', args, { cwd: ROOT, env: { ...process.env, ...long }, detached: true });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
      });
    }
    const late = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), MAX_MS);
    child.once('close', (code) => {
      clearTimeout(late);
      resolve({ code, output });
    });
  });
}
