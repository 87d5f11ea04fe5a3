import { type ContractOperation, type Described, jsonAnswer } from '../contract-operation.ts';
import type { Part } from '../schemas/schemas.ts';

const TAG = 'Server';

function status(...values: readonly string[]): Part {
  return { type: 'object', properties: { status: { type: 'string', enum: values } }, required: ['status'] };
}

const HEALTH: readonly ContractOperation[] = [
  {
    id: 'getLiveness',
    tag: TAG,
    method: 'get',
    path: '/_/health/live',
    at: 'root',
    summary: 'Checks that the process responds',
    responses: { 200: jsonAnswer('The process responds.', status('ok')) },
    codes: [],
    access: 'anyone',
  },
  {
    id: 'getReadiness',
    tag: TAG,
    method: 'get',
    path: '/_/health/ready',
    at: 'root',
    summary: 'Checks that the server accepts work',
    responses: {
      200: jsonAnswer('The server accepts work.', status('ok')),
      503: jsonAnswer('The server does not accept work; `status` is the reason.', {
        type: 'object',
        properties: { status: { type: 'string' } },
        required: ['status'],
      }),
    },
    codes: [],
    access: 'anyone',
  },
];

const METRICS: ContractOperation = {
  id: 'getMetrics',
  tag: TAG,
  method: 'get',
  path: '/_/metrics',
  at: 'root',
  summary: 'Returns metrics for Prometheus',
  responses: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: { type: 'string' } } } } },
  codes: [],
  access: 'anyone',
};

/** Describes health and metrics. `metrics`: the access of registerMetrics; a string is the required token. */
export function describeServer(metrics: boolean | string): Described {
  const described: ContractOperation =
    typeof metrics === 'string'
      ? {
          ...METRICS,
          description: 'With the token of the key `metrics` in config.yaml: `Authorization: Bearer …`.',
          codes: ['UNAUTHORIZED'],
        }
      : METRICS;
  return {
    operations: [...HEALTH, ...(metrics === false ? [] : [described])],
    tags: [{ name: TAG, description: 'Health and metrics of the whole server.' }],
  };
}
