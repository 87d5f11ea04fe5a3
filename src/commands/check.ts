import { checkRules } from '../auth/access.ts';
import { describeSurprises } from '../config/notices.ts';
import { describePlan } from '../schema/print.ts';
import { loadProject } from '../schema/project.ts';
import { describeRoutes } from '../transports/routes/describe.ts';
import { loadAllRoutes } from '../transports/routes/load.ts';
import type { Invocation } from './commands.ts';
import { describeFailure } from './failure.ts';
import { parseArguments } from './options.ts';

/** `tablecast check`: every mistake of every file, or the plan. Opens no store and creates nothing. */
export async function check({ args, env }: Invocation): Promise<number> {
  const { dir } = parseArguments(args, []);
  try {
    const { server, apps, notices } = loadProject(dir, env, checkRules);
    const routes = await loadAllRoutes(apps, dir);
    const plans = apps.map(({ config: app, plan }) => {
      const config = { server, app };
      return [...describePlan(plan, config), ...describeRoutes(routes.get(app.appId) ?? [], config)].join('\n');
    });
    process.stdout.write(`${[...plans, ...notices, ...describeSurprises(server)].join('\n\n')}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${describeFailure(error)}\n`);
    return 1;
  }
}
