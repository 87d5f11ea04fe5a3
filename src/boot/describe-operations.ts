import type { ServerConfig } from '../config/config.ts';
import type { Described } from '../openapi/contract-operation.ts';
import { metricsAccess } from '../server/operations/metrics.ts';
import type { OpenApp } from './open-app.ts';

/** Collects the descriptions of an application's operations that belong to no table, for its API documents. */
export async function describeOperations(
  { config: app, auth, routes, flows }: OpenApp,
  server: ServerConfig,
): Promise<readonly Described[]> {
  const described: Described[] = [];
  if (routes.length > 0) {
    const { describeRouteOperations } = await import('../transports/routes/contract.ts');
    described.push(describeRouteOperations(routes, app.routesPrefix));
  }
  if (flows !== undefined) {
    const { describeFlowOperations } = await import('../connectors/flows/contract.ts');
    described.push(describeFlowOperations(flows));
  }
  if (app.realtime.enabled) {
    const { describeGateway } = await import('../transports/multiplex/contract.ts');
    described.push(describeGateway(app.realtime.path));
  }
  if (auth !== undefined) {
    const { describeAuthRoutes } = await import('../openapi/operations/auth.ts');
    described.push(describeAuthRoutes(auth.config));
  }
  const { describeServer } = await import('../openapi/operations/server.ts');
  return [...described, describeServer(metricsAccess(server))];
}
