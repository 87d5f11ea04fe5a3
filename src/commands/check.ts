import { loadModules } from '../boot/modules.ts';
import { loadProject } from '../boot/project.ts';
import { withoutSecrets } from '../config/files/interpolate.ts';
import { describeSurprises } from '../config/notices.ts';
import { describeFlows } from '../connectors/flows/describe.ts';
import { describePlan } from '../schema/print.ts';
import { describeRoutes } from '../transports/routes/describe.ts';
import type { Invocation } from './commands.ts';
import { describeFailure } from './failure.ts';
import { parseArguments } from './options.ts';

/**
 * `tablecast check`: every mistake of every file, or the plan. Opens no store and creates nothing; modules of hooks and
 * routes are loaded, which runs what stands at their top level.
 */
export async function check({ args, env }: Invocation): Promise<number> {
  const { dir } = parseArguments(args, []);
  let runsModules = false;
  const end = async (code: number, text: string) => {
    await write(code === 0 ? process.stdout : process.stderr, `${text}\n`);
    // A module may have begun something that would go on for ever.
    if (runsModules) process.exit(code);
    return code;
  };
  try {
    const { server, apps, notices } = loadProject(dir, withoutSecrets(env));
    runsModules = apps.some(({ config }) => config.hooks.length + config.routes.length > 0);
    const { routes, flows } = await loadModules(apps, dir);
    const plans = apps.map(({ config: app, plan }) => {
      const config = { server, app };
      const { appId } = app;
      const lines = [describePlan(plan, config), describeRoutes(routes.get(appId) ?? [], config)];
      return [...lines.flat(), ...describeFlows(flows.get(appId))].join('\n');
    });
    return await end(0, [...plans, ...notices, ...describeSurprises(server)].join('\n\n'));
  } catch (error) {
    return end(1, describeFailure(error, dir));
  }
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((done) => stream.write(text, () => done()));
}
