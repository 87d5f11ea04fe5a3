import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import { loadProject } from '../../src/boot/project.ts';
import type { ConnectorContext, SourcePositions } from '../../src/connectors/connector.ts';
import type { FlowsPlan } from '../../src/connectors/flows/flow.ts';
import { loadFlows } from '../../src/connectors/flows/load.ts';
import { Admission } from '../../src/server/limits/admission.ts';
import { makeFolder } from '../config/folders.ts';
import { openProject } from '../support/engine.ts';

export const FLOWS_SCHEMA = `type Order @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  number: Int
  status: String
}
type Copy @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  number: Int
}
`;

/** Positions in memory. */
export class MemoryPositions implements SourcePositions {
  readonly kept = new Map<string, number>();

  get(name: string): number | undefined {
    return this.kept.get(name);
  }

  set(name: string, position: number): void {
    this.kept.set(name, position);
  }
}

export interface ConnectorRigContext extends ConnectorContext {
  readonly faults: unknown[];
  readonly positions: MemoryPositions;
}

/** An application without transports, and the context of a connector in it. */
export async function openContext(
  name: string,
  { schema = FLOWS_SCHEMA, config = '' }: { schema?: string; config?: string } = {},
): Promise<ConnectorRigContext> {
  const files = { 'schema.graphql': schema, 'config.yaml': `port: 0\n${config}` };
  const { server, config: app, application, faults, onError } = await openProject(files);
  onTestFinished(() => application.close());
  return {
    name,
    appId: app.appId,
    application,
    auth: undefined,
    hooks: undefined,
    server,
    dataDir: app.dataDir,
    admission: new Admission(server.limits),
    positions: new MemoryPositions(),
    requestKeys: { run: (_key, _digest, work) => work() },
    pathsOf: (path) => [`/${app.appId}${path}`, path],
    log: pino({ level: 'silent' }),
    onError,
    faults,
  };
}

/** Loads the flows of a config.yaml. Throws StartError. */
export async function readFlowsOf(config: string, schema = FLOWS_SCHEMA): Promise<FlowsPlan> {
  const dir = makeFolder({ 'schema.graphql': schema, 'config.yaml': config });
  const { apps } = loadProject(dir, {});
  const plan = (await loadFlows(apps)).get('my-app');
  if (plan === undefined) throw new Error('there are no flows');
  return plan;
}
