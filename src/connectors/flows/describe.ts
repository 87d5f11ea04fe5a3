import type { Section } from '../../config/keys/section.ts';
import type { ConnectorPlan, Flow, FlowsPlan } from './flow.ts';

/** Describes connectors and flows line by line, for `tablecast check`. */
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
  const attempts = retry.attempts === 1 ? '1 attempt' : `up to ${retry.attempts} attempts`;
  return [
    `  ${name}`,
    `    from   ${connector} ${use.operation}${describeSettings(use.section)}${steps}`,
    ...targets.map(({ label, as }) => `    to     ${label} (as ${as})`),
    `    ${attempts}, then ${source.type.failure === 'answers' ? 'reported to the sender' : 'a dead letter'}`,
  ];
}

/** Settings of a source besides connector and operation. */
function describeSettings({ members }: Section): string {
  const others = [...members].filter(([name]) => name !== 'connector' && name !== 'operation');
  return others
    .map(([name, { value, isSecret }]) => ` ${name}=${isSecret || name === 'secret' ? '…' : String(value)}`)
    .join('');
}
