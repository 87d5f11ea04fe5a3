import type { FastifyInstance } from 'fastify';
import type { Counter, Gauge, Registry } from 'prom-client';

/** A figure that is read when it is asked for, so that counting costs the hot paths nothing. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  /** Label values, in the order of `labels`, and the figure. */
  read(): Iterable<readonly [labels: readonly string[], value: number]>;
}

/** `/metrics` in Prometheus' text format. The library is loaded at the first scrape: it is not needed to start. */
export function registerMetrics(app: FastifyInstance, metrics: readonly Metric[]): void {
  let registry: Promise<Registry> | undefined;
  app.get('/metrics', async (_request, reply) => {
    registry ??= createRegistry(metrics);
    const { contentType, text } = await registry.then(async (it) => ({
      contentType: it.contentType,
      text: await it.metrics(),
    }));
    return reply.header('content-type', contentType).send(text);
  });
}

async function createRegistry(metrics: readonly Metric[]): Promise<Registry> {
  const prom = await import('prom-client');
  const registry = new prom.Registry();
  prom.collectDefaultMetrics({ register: registry });
  for (const { name, help, type, labels, read } of metrics) {
    const Kind = type === 'counter' ? prom.Counter : prom.Gauge;
    new Kind({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect(this: Counter | Gauge) {
        this.reset();
        for (const [values, value] of read()) {
          const named = Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']));
          this.inc(named, value);
        }
      },
    });
  }
  return registry;
}
