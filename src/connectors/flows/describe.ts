import type { Section } from '../../config/keys/section.ts';
import type { ConnectorPlan, Flow, FlowsPlan } from './flow.ts';

/** Connectors and flows for people, line by line, as `tablecast check` shows them. */
export function describeFlows(plan: FlowsPlan | undefined): readonly string[] {
  if (plan === undefined) return [];
  const { connectors, flows } = plan;
  return [
    ...(connectors.length === 0 ? [] : ['', 'connectors', ...connectors.map(describeConnector)]),
    ...(flows.length === 0 ? [] : ['', 'flows', ...flows.flatMap(describeFlow)]),
  ];
}

function describeConnector({ name, typeName }: ConnectorPlan): string {
  return `  ${name.padEnd(9)}${name === typeName ? '' : typeName}`.trimEnd();
}

function describeFlow({ name, source, when, transform, targets, retry }: Flow): string[] {
  const { connector, use } = source;
  const steps = [when === undefined ? '' : ', when …', transform === undefined ? '' : ', transformed'].join('');
  const times = retry.attempts === 1 ? 'tried once' : `tried up to ${retry.attempts} times`;
  return [
    `  ${name}`,
    `    from   ${connector} ${use.operation}${describeSettings(use.section)}${steps}`,
    ...targets.map(({ label, as }) => `    to     ${label} (as ${as})`),
    `    ${times}, then ${source.type.failure === 'answers' ? 'told to who sent it' : 'a dead letter'}`,
  ];
}

/** What was written beside connector and operation. */
function describeSettings({ members }: Section): string {
  const others = [...members].filter(([name]) => name !== 'connector' && name !== 'operation');
  return others
    .map(([name, { value, isSecret }]) => ` ${name}=${isSecret || name === 'secret' ? '…' : String(value)}`)
    .join('');
}
