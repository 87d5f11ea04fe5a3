import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config/config.ts';
import type { Admission } from '../server/limits/admission.ts';
import { trimAfterBursts } from '../server/node/memory-trim.ts';
import { type Lifecycle, registerHealth } from '../server/operations/health.ts';
import { metricsAccess, registerMetrics } from '../server/operations/metrics.ts';
import type { NamedPart } from '../transports/transport.ts';
import { describeMetrics } from './metrics.ts';
import type { OpenApp } from './open-app.ts';

export interface OperationsOptions {
  readonly config: ServerConfig;
  readonly lifecycle: Lifecycle;
  readonly opened: readonly OpenApp[];
  readonly transports: readonly NamedPart[];
  readonly admission: Admission;
}

/** Registers the endpoints for operators: health and metrics. */
export function registerOperations(
  server: FastifyInstance,
  { config, lifecycle, opened, transports, admission }: OperationsOptions,
): void {
  trimAfterBursts(server, admission);
  registerHealth(server, lifecycle, {
    isWritable: () => opened.every(({ application: { storage } }) => storage.failure === undefined),
    isCurrent: () => opened.every(isCurrent),
  });
  registerMetrics(server, describeMetrics({ transports, opened }), metricsAccess(config));
}

/** True while the application knows what other servers have written. */
export function isCurrent({
  application: { log },
  config: {
    cluster: { grace, poll },
  },
}: Pick<OpenApp, 'application' | 'config'>): boolean {
  return log.shared === undefined || log.shared.lag() < grace + poll;
}
