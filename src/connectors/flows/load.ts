import type { AppConfig } from '../../config/config.ts';
import { Report } from '../../config/files/report.ts';
import type { Plan } from '../../schema/plan.ts';
import type { ConnectorUse } from '../connector.ts';
import type { ConnectorPlan, Flow, FlowsPlan } from './flow.ts';
import { readConnectors } from './read-connectors.ts';
import { readFlows } from './read-flows.ts';

export interface FlowsSource {
  readonly config: AppConfig;
  readonly plan: Plan;
}

/**
 * Loads connectors and flows of several applications by `app_id`, without applications that have neither. Opens nothing.
 * Throws StartError with the errors of all.
 */
export async function loadFlows(sources: readonly FlowsSource[]): Promise<ReadonlyMap<string, FlowsPlan>> {
  const report = new Report();
  const plans = new Map<string, FlowsPlan>();
  for (const { config, plan } of sources) {
    if (config.connectors === undefined && config.flows === undefined) continue;
    plans.set(config.appId, await loadFlowsOf(config, plan, report));
  }
  report.throwIfAny();
  return plans;
}

async function loadFlowsOf(config: AppConfig, plan: Plan, report: Report): Promise<FlowsPlan> {
  const found = await readConnectors(config.connectors, report);
  const flows = readFlows(config.flows, { found, report });
  const used = new Set(flows.flatMap(({ source, targets }) => [source, ...targets].map(({ connector }) => connector)));
  const connectors = [...found.known.values()].filter(({ name, section }) => used.has(name) || section.isMapping);
  for (const connector of connectors) {
    const use: ConnectorUse = {
      name: connector.name,
      app: config,
      plan,
      settings: connector.settings,
      section: connector.section,
      sources: flows.filter(({ source }) => source.connector === connector.name).map(({ source }) => source.use),
      targets: flows.flatMap((flow) => targetsOf(flow, connector)),
    };
    connector.type.check?.(use, report);
  }
  return { connectors, flows };
}

function targetsOf({ targets }: Flow, { name }: ConnectorPlan) {
  return targets.filter(({ connector }) => connector === name).map(({ use }) => use);
}
