import { resolve } from 'node:path';
import { checkRules } from '../auth/policy/access.ts';
import { readRoomRules } from '../auth/rooms/read.ts';
import { type Applications, readApplications } from '../config/applications.ts';
import { deepFreeze } from '../config/deep-freeze.ts';
import type { Environment } from '../config/files/interpolate.ts';
import { collect, Report } from '../config/files/report.ts';
import { ACTIONS, isOffered, type Plan, type TablePlan } from '../schema/plan.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import { loadPlan } from '../schema/sdl/build.ts';

export interface Project extends Pick<Applications, 'server' | 'notices'> {
  readonly apps: readonly ProjectApp[];
}

/**
 * Reads the configuration and the schemas of one application, or of a folder of applications. Throws a StartError with every
 * mistake of every file; creates nothing.
 */
export function loadProject(dir: string, env: Environment): Project {
  const report = new Report();
  const applications = readApplications(dir, { env, report });
  const apps = (applications?.apps ?? []).flatMap((config) => {
    // A schema file was wrong and has been reported. Without its types, the other files would have false mistakes.
    if (config.schemas.length === 0) return [];
    const plan = collect(report, () => loadPlan(config, resolve(dir), checkRules));
    if (plan !== undefined) readRoomRules(config.rooms, plan.tables, report);
    return plan === undefined ? [] : [{ config, plan }];
  });
  report.throwIfAny();
  if (applications === undefined) throw new Error('an application without errors is missing');
  const notices = [...applications.notices, ...apps.flatMap(({ plan }) => describeClosedTables(plan))];
  return deepFreeze({ server: applications.server, notices, apps });
}

/** Returns a sentence for each exported table that only admins can use: valid, but seldom intended. */
export function describeClosedTables({ appId, tables }: Pick<Plan, 'appId' | 'tables'>): string[] {
  return tables
    .filter((table) => table.exportName !== undefined && !ACTIONS.some((action) => isOffered(table, action)))
    .map((table) => `${appId}: only admins can use ${table.name}, since ${whyClosed(table)}`);
}

function whyClosed({ access }: TablePlan): string {
  const grant =
    '@access(read: "authenticated", create: "authenticated", update: "authenticated", delete: "authenticated")';
  if (access?.account !== undefined) return `@account alone allows no action; add ${grant}`;
  return `the application has auth and the table allows no action; add @access or public`;
}
