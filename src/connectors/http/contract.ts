import {
  type ContractMethod,
  type ContractOperation,
  operationName,
  pathTemplate,
} from '../../openapi/contract-operation.ts';
import { query } from '../../openapi/parameters.ts';
import type { SourceUse } from '../connector.ts';
import type { RequestSettings } from './keys.ts';
import type { HttpOperation } from './operation.ts';

export const FLOWS_TAG = 'Flows';

/** Source of a flow that the documents describe. */
export interface DescribedRequest {
  readonly operation: HttpOperation;
  readonly settings: RequestSettings;
  readonly source: SourceUse;
}

const INPUT = { description: 'The properties of a JSON object are the input of the flow.' };

/** Describes a request that starts a flow, for the documents of the API. */
export function describeRequest({ operation, settings, source }: DescribedRequest): ContractOperation {
  const { method, segments } = operation;
  const { path, parameters } = pathTemplate(segments);
  const hasBody = method !== 'GET' && method !== 'DELETE';
  const { query: names, headers, secret, access } = settings;
  return {
    id: operationName(method, segments),
    tag: FLOWS_TAG,
    method: method.toLowerCase() as ContractMethod,
    path,
    summary: `Starts the flow ${source.flow}`,
    ...(secret === undefined ? {} : { description: 'Requests are signed, as Standard Webhooks are.' }),
    parameters: [
      ...parameters,
      ...names.map((name) => query(name, { type: 'string' }, 'Part of the input.', 'text')),
      ...headers.map((name) => ({
        ...{ name, in: 'header', description: 'Part of the input.', schema: { type: 'string' }, example: 'text' },
      })),
      ...(hasBody && secret === undefined ? [{ $ref: '#/components/parameters/idempotencyKey' }] : []),
    ],
    ...(hasBody ? { body: { required: false, content: { 'application/json': { schema: INPUT } } } } : {}),
    responses: {
      200: {
        description: 'Result of the flow.',
        content: { 'application/json': { schema: { description: 'Any JSON value.' } } },
      },
      202: { description: 'The flow is done and has no result.' },
    },
    codes: [
      ...(['INVALID_JSON', 'INVALID_CONTENT', 'VALIDATION_ERROR', 'FLOW_FAILED', 'STOPPING'] as const),
      ...(hasBody ? (['BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'IDEMPOTENCY_KEY_REUSED'] as const) : []),
      ...(secret === undefined ? [] : (['INVALID_CREDENTIALS'] as const)),
      'FORBIDDEN_ORIGIN',
    ],
    ...(access === undefined ? {} : { access: 'authenticated' }),
  };
}
