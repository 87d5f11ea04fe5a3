import type { ServerConfig } from '../config/config.ts';
import type { AppFlows } from '../connectors/flows/app-flows.ts';
import type { FlowsPlan } from '../connectors/flows/flow.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import type { Admission } from '../server/limits/admission.ts';
import type { Log } from '../server/operations/log.ts';
import type { OpenApp } from './open-app.ts';

export type FlowsByApp = ReadonlyMap<string, FlowsPlan>;

/** Connectors and flows by app id; nothing of it is loaded where no application has any. Throws StartError. */
export async function loadFlowsIfAny(apps: readonly ProjectApp[]): Promise<FlowsByApp> {
  if (apps.every(({ config: { connectors, flows } }) => connectors === undefined && flows === undefined)) {
    return new Map();
  }
  const { loadFlows } = await import('../connectors/flows/load.ts');
  return loadFlows(apps);
}

export interface FlowsContext {
  readonly config: ServerConfig;
  readonly admission: Admission;
  readonly log: Log;
  readonly onError: (error: unknown) => void;
}

/** Opens what the applications keep for their flows, and makes their connectors. */
export async function openFlows(
  opened: readonly OpenApp[],
  plans: FlowsByApp,
  { config: server, ...context }: FlowsContext,
): Promise<AppFlows[]> {
  if (plans.size === 0) return [];
  const { openAppFlows } = await import('../connectors/flows/app-flows.ts');
  const flows: AppFlows[] = [];
  try {
    for (const { config, application, auth } of opened) {
      const plan = plans.get(config.appId);
      if (plan === undefined) continue;
      const isAlone = opened.length === 1;
      flows.push(await openAppFlows(plan, { ...context, server, config, application, auth, isAlone }));
    }
    return flows;
  } catch (error) {
    for (const one of flows) await one.close();
    throw error;
  }
}
