import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Counter, Gauge, Histogram as LibraryHistogram, Registry } from 'prom-client';
import type { ServerConfig } from '../../config/config.ts';
import { isPrivate } from '../../config/loopback.ts';
import { OWN_SEGMENT } from '../../config/reserved-paths.ts';
import { AppError } from '../../errors.ts';
import { NEVER_KEPT } from '../response-headers.ts';

/** Counts of durations, in seconds. */
export interface Distribution {
  /** Upper bounds of the buckets, ascending. */
  readonly bounds: readonly number[];
  /** Counts of the buckets, not cumulative. */
  readonly buckets: readonly number[];
  readonly sum: number;
  /** Count of all durations, those above the last bound included. */
  readonly count: number;
}

/** Metric whose values are distributions. */
export interface Histogram {
  readonly name: string;
  readonly help: string;
  readonly type: 'histogram';
  readonly labels: readonly string[];
  read(): Iterable<readonly [labels: readonly string[], distribution: Distribution]>;
}

/** Metric that is read at a scrape, so that it costs the hot paths nothing. */
export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels: readonly string[];
  /** Returns label values, in the order of `labels`, with their values. */
  read(): Iterable<readonly [labels: readonly string[], value: number]>;
}

/** Returns the access to `/metrics`: true for everyone, false for no one, or the bearer token that is required. */
export function metricsAccess({
  metrics,
  ...server
}: Pick<ServerConfig, 'metrics' | 'host' | 'trustProxy'>): boolean | string {
  return metrics ?? isPrivate(server);
}

/**
 * Registers `/_/metrics`, alias `/metrics`, in the text format of Prometheus, unless `access` is false; a string is the required bearer token.
 * The library is loaded at the first scrape: it is not needed to start.
 */
export function registerMetrics(
  app: FastifyInstance,
  metrics: readonly (Metric | Histogram)[],
  access: boolean | string,
): void {
  if (access === false) return;
  let registry: Promise<Registry> | undefined;
  const serve = async (request: FastifyRequest, reply: FastifyReply) => {
    if (typeof access === 'string') checkToken(request.headers.authorization, access);
    registry ??= createRegistry(metrics);
    const { contentType, text } = await registry.then(async (it) => ({
      contentType: it.contentType,
      text: await it.metrics(),
    }));
    return reply.header('content-type', contentType).header('cache-control', NEVER_KEPT).send(text);
  };
  for (const path of [`/${OWN_SEGMENT}/metrics`, '/metrics']) app.get(path, serve);
}

/** Throws UNAUTHORIZED for another token. Hashes have one length, so that the time of the comparison reveals nothing. */
function checkToken(header: string | undefined, token: string): void {
  const presented = /^Bearer +([\x21-\x7e]+)$/i.exec(header ?? '')?.[1] ?? '';
  const hash = (text: string) => createHash('sha256').update(text).digest();
  if (timingSafeEqual(hash(presented), hash(token))) return;
  throw new AppError('UNAUTHORIZED', 'The metrics require the token of the key "metrics" in config.yaml.', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

async function createRegistry(metrics: readonly (Metric | Histogram)[]): Promise<Registry> {
  const prom = await import('prom-client');
  const registry = new prom.Registry();
  prom.collectDefaultMetrics({ register: registry });
  for (const metric of metrics) {
    if (metric.type === 'histogram') {
      registry.registerMetric(asLibraryHistogram(metric));
      continue;
    }
    const { name, help, type, labels, read } = metric;
    const Kind = type === 'counter' ? prom.Counter : prom.Gauge;
    new Kind({
      name,
      help,
      labelNames: [...labels],
      registers: [registry],
      collect(this: Counter | Gauge) {
        this.reset();
        for (const [values, value] of read()) {
          this.inc(nameLabels(labels, values), value);
        }
      },
    });
  }
  return registry;
}

function nameLabels(names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? '']));
}

/** Adapts counts that exist already to the library, which otherwise does the counting itself. */
function asLibraryHistogram({ name, help, labels, read }: Histogram): LibraryHistogram<string> {
  const get = () => {
    const values = [...read()].flatMap(([values, { bounds, buckets, sum, count }]) => {
      const own = nameLabels(labels, values);
      let below = 0;
      const counted = bounds.map((bound, index) => {
        below += buckets[index] ?? 0;
        return { metricName: `${name}_bucket`, labels: { ...own, le: bound }, value: below };
      });
      return [
        ...counted,
        { metricName: `${name}_bucket`, labels: { ...own, le: '+Inf' }, value: count },
        { metricName: `${name}_sum`, labels: own, value: sum },
        { metricName: `${name}_count`, labels: own, value: count },
      ];
    });
    return Promise.resolve({ name, help, type: 'histogram', values, aggregator: 'sum' });
  };
  return { name, get } as unknown as LibraryHistogram<string>;
}
