import type { FastifyInstance } from 'fastify';
import type { ServerConfig } from '../config/config.ts';
import type { Admission } from '../server/limits/admission.ts';
import { trimAfterBursts } from '../server/node/memory-trim.ts';
import { type Lifecycle, registerHealth } from '../server/operations/health.ts';
import { metricsAccess, registerMetrics } from '../server/operations/metrics.ts';
import type { Transport } from '../transports/transport.ts';
import { describeMetrics } from './metrics.ts';
import type { OpenApp } from './open-app.ts';

export interface OperationsOptions {
  readonly config: ServerConfig;
  readonly lifecycle: Lifecycle;
  readonly opened: readonly OpenApp[];
  readonly transports: readonly Transport[];
  readonly admission: Admission;
}

/** Registers the endpoints for operators: health and metrics. */
export function registerOperations(
  server: FastifyInstance,
  { config, lifecycle, opened, transports, admission }: OperationsOptions,
): void {
  trimAfterBursts(server, admission);
  registerHealth(server, lifecycle, () =>
    opened.every(({ application: { storage } }) => storage.failure === undefined),
  );
  registerMetrics(server, describeMetrics({ transports, opened }), metricsAccess(config));
}
