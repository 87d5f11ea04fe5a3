import { previewAll } from '../../boot/allowance.ts';
import { loadProject } from '../../boot/project.ts';
import { withoutSecrets } from '../../config/files/interpolate.ts';
import type { ProjectApp } from '../../schema/project-app.ts';
import type { MigrationPreview, PreviewedStep } from '../../store/engine.ts';
import type { Invocation } from '../commands.ts';
import { describeFailure } from '../failure.ts';
import { parseCall } from '../options.ts';

/** Exit codes of `migrate plan`. 2 is that of errors in the command line. */
export const PLAN_EXIT = { nothing: 0, impossible: 1, pending: 3, loses: 4 } as const;

interface AppPlan {
  readonly app: ProjectApp;
  /** Undefined where nothing is stored yet. */
  readonly preview: MigrationPreview | undefined;
}

/** `tablecast migrate plan`: prints the steps of the next start and changes nothing. Works while the server runs. */
export async function plan({ args, env }: Invocation): Promise<number> {
  const { dir, values } = parseCall(args, { options: ['json'] });
  try {
    const { apps } = loadProject(dir, withoutSecrets(env));
    const plans: AppPlan[] = [];
    for (const app of apps) plans.push({ app, preview: (await previewAll([app], [])).at(0) });
    const text = values.json === true ? JSON.stringify(toJson(plans), undefined, 2) : describePlans(plans);
    process.stdout.write(`${text}\n`);
    return exitOf(plans);
  } catch (error) {
    process.stderr.write(`${describeFailure(error, dir)}\n`);
    return PLAN_EXIT.impossible;
  }
}

function exitOf(plans: readonly AppPlan[]): number {
  const previews = plans.flatMap(({ preview }) => preview ?? []);
  if (previews.some(({ impossible }) => impossible)) return PLAN_EXIT.impossible;
  if (previews.some(({ losing }) => losing.length > 0)) return PLAN_EXIT.loses;
  return previews.some(({ pending }) => pending) ? PLAN_EXIT.pending : PLAN_EXIT.nothing;
}

function toJson(plans: readonly AppPlan[]) {
  return {
    apps: plans.map(({ app, preview }) => ({
      app: app.config.appId,
      stored: preview !== undefined,
      pending: preview?.pending ?? false,
      impossible: preview?.impossible ?? false,
      losing: preview?.losing ?? [],
      steps: preview?.steps ?? [],
    })),
  };
}

function describePlans(plans: readonly AppPlan[]): string {
  return plans.map(({ app, preview }) => describePlan(app.config.appId, preview)).join('\n\n');
}

function describePlan(appId: string, preview: MigrationPreview | undefined): string {
  if (preview === undefined) return `${appId}: nothing is stored yet. The first start creates the tables.`;
  const { steps, pending, impossible, losing } = preview;
  if (steps.length === 0 || !(pending || impossible || losing.length > 0)) {
    return [`${appId}: nothing to do. The schema is as stored.`, ...steps.flatMap(describeStep)].join('\n');
  }
  const head = `${appId}: ${steps.length} ${steps.length === 1 ? 'step' : 'steps'}`;
  return [head, ...steps.flatMap(describeStep), '', describeNext(preview)].join('\n');
}

const LABELS: Readonly<Record<Exclude<PreviewedStep['effect'], 'keeps'>, string>> = {
  fills: 'FILLS',
  loses: 'LOSES DATA',
  changes: 'CHANGES VALUES',
  leaves: 'LEAVES BEHIND',
  impossible: 'NOT POSSIBLE',
};

/** Lines of one step: its sentence, and its effect where values do not all stay. */
export function describeStep({ sentence, effect, found, advice, name }: PreviewedStep): string[] {
  if (effect === 'keeps') return [`  ${sentence}`];
  const isAsked = effect !== 'fills' && effect !== 'impossible' && name !== undefined;
  return [
    `  ${sentence}${isAsked ? ` (${name})` : ''}`,
    `    ${LABELS[effect]}: ${found ?? ''}`,
    ...(advice === undefined ? [] : [`    ${advice}`]),
  ];
}

function describeNext({ impossible, losing }: MigrationPreview): string {
  if (impossible) return 'Change what is NOT POSSIBLE first. The previous schema still starts.';
  const command = 'tablecast migrate apply';
  if (losing.length === 0) return `No value is lost. The next start makes these steps, or: ${command}`;
  return `Allow what loses data by name: ${command} --allow-destructive ${losing.join(',')}`;
}
