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
    path: '/health/live',
    at: 'root',
    summary: 'Tells whether the process answers',
    responses: { 200: jsonAnswer('It does.', status('ok')) },
    codes: [],
    access: 'anyone',
  },
  {
    id: 'getReadiness',
    tag: TAG,
    method: 'get',
    path: '/health/ready',
    at: 'root',
    summary: 'Tells whether the server accepts work',
    responses: {
      200: jsonAnswer('It does.', status('ok')),
      503: jsonAnswer('It does not: the member `status` says why.', {
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
  path: '/metrics',
  at: 'root',
  summary: 'Shows metrics for Prometheus',
  responses: { 200: { description: 'The metrics.', content: { 'text/plain': { schema: { type: 'string' } } } } },
  codes: [],
  access: 'anyone',
};

/** `metrics`: as registerMetrics has it; a text is the token that is wanted. */
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
