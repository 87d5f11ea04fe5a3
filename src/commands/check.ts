import { checkRules } from '../auth/access.ts';
import { describeSurprises } from '../config/notices.ts';
import { describePlan } from '../schema/print.ts';
import { loadProject } from '../schema/project.ts';
import type { Invocation } from './commands.ts';
import { describeFailure } from './failure.ts';
import { parseArguments } from './options.ts';

/** `tablecast check`: every mistake of every file, or the plan. Opens no store and creates nothing. */
export function check({ args, env }: Invocation): number {
  const { dir } = parseArguments(args, []);
  try {
    const { server, apps, notices } = loadProject(dir, env, checkRules);
    const plans = apps.map(({ config: app, plan }) => describePlan(plan, { server, app }).join('\n'));
    process.stdout.write(`${[...plans, ...notices, ...describeSurprises(server)].join('\n\n')}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    return 1;
  }
}
