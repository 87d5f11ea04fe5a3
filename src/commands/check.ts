import { Access } from '../auth/policy/access.ts';
import { explainAccess } from '../auth/policy/explain.ts';
import { describeRooms, explainRooms } from '../auth/rooms/explain.ts';
import { readRoomRules } from '../auth/rooms/read.ts';
import { accessOptions } from '../boot/application.ts';
import { loadModules } from '../boot/modules.ts';
import { loadProject } from '../boot/project.ts';
import type { AppConfig } from '../config/config.ts';
import { withoutSecrets } from '../config/files/interpolate.ts';
import { Report } from '../config/files/report.ts';
import { describeSurprises } from '../config/notices.ts';
import { describeFlows } from '../connectors/flows/describe.ts';
import type { Plan } from '../schema/plan.ts';
import { describePlan } from '../schema/print.ts';
import { checkTls } from '../server/tls.ts';
import { describeRoutes } from '../transports/routes/route.ts';
import { parseCaller } from './caller.ts';
import type { Invocation } from './commands.ts';
import { describeFailure } from './failure.ts';
import { parseCall } from './options.ts';

/**
 * `tablecast check`: reports every error of every file, or prints what the server would serve, or what a caller may do. It opens no store and
 * creates nothing. Modules of hooks and routes are loaded, which runs their top-level code.
 */
export async function check({ args, env }: Invocation): Promise<number> {
  const { dir, values } = parseCall(args, { options: ['as'] });
  const caller = typeof values.as === 'string' ? parseCaller(values.as) : undefined;
  let runsModules = false;
  const end = async (code: number, text: string) => {
    await write(code === 0 ? process.stdout : process.stderr, `${text}\n`);
    // A timer or a connection that a module has opened would keep the process alive.
    if (runsModules) process.exit(code);
    return code;
  };
  try {
    const { server, apps, notices } = loadProject(dir, withoutSecrets(env));
    runsModules = apps.some(({ config }) => config.hooks.length + config.routes.length > 0);
    checkTls(server.tls);
    if (caller !== undefined) {
      const plans = apps.map(({ config, plan }) => {
        const head = `${config.appId}, as ${String(values.as)}: yes, some (of the records) or no, and the rule`;
        const access = new Access(plan, accessOptions(config));
        const rooms = explainRooms(roomsOf(config, plan), access, caller);
        return [head, ...explainAccess(plan, access, caller), ...rooms].join('\n');
      });
      return await end(0, plans.join('\n\n'));
    }
    const { routes, flows } = await loadModules(apps, dir);
    const plans = apps.map(({ config: app, plan }) => {
      const config = { server, app };
      const { appId } = app;
      const lines = [describePlan(plan, config), describeRoutes(routes.get(appId) ?? [], config)];
      return [
        ...lines.flat(),
        ...describeFlows(flows.get(appId)),
        ...describeRooms(roomsOf(app, plan), plan.tables),
      ].join('\n');
    });
    return await end(0, [...plans, ...notices, ...describeSurprises(server)].join('\n\n'));
  } catch (error) {
    return end(1, describeFailure(error, dir));
  }
}

/** Rules of rooms, which have been checked before. */
function roomsOf({ rooms }: Pick<AppConfig, 'rooms'>, { tables }: Pick<Plan, 'tables'>) {
  return readRoomRules(rooms, tables, new Report());
}

function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((done) => stream.write(text, () => done()));
}
