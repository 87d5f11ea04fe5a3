import { type ContractOperation, type Described, jsonAnswer } from '../../openapi/contract-operation.ts';
import { query } from '../../openapi/parameters.ts';
import type { Part } from '../../openapi/schemas/schemas.ts';
import { FLOWS_TAG } from '../http/contract.ts';
import { ROOMS_TAG } from '../rooms/contract.ts';
import type { AppFlows } from './app-flows.ts';

const text: Part = { type: 'string' };
const count: Part = { type: 'integer', minimum: 0 };

function object(properties: Readonly<Record<string, Part>>, required = Object.keys(properties)): Part {
  return { type: 'object', properties, required };
}

const FLOW = object({
  name: text,
  from: object({ connector: text, operation: text }),
  to: { type: 'array', items: object({ connector: text, operation: text, target: text }, ['connector', 'operation']) },
  events: { type: 'object', additionalProperties: count },
  retries: count,
  at_work: count,
  dead_letters: count,
});

const LETTER_PROPERTIES = {
  id: text,
  flow: text,
  event_key: text,
  error: text,
  attempts: count,
  done: { type: 'array', items: text },
  created_at: { type: 'string', format: 'date-time' },
};

const ID: Part = {
  name: 'id',
  in: 'path',
  required: true,
  schema: text,
  example: '0198c1f2-7d5e-7abc-8def-0123456789ab',
};

const LETTERS = '/_/flows/dead-letters';

const ADMIN: readonly ContractOperation[] = [
  {
    ...{
      id: 'listFlows',
      tag: FLOWS_TAG,
      method: 'get',
      path: '/_/flows',
      summary: 'Lists the flows with their counts',
    },
    responses: { 200: jsonAnswer('The flows.', object({ flows: { type: 'array', items: FLOW } })) },
    codes: ['FORBIDDEN'],
  },
  {
    ...{
      id: 'listDeadLetters',
      tag: FLOWS_TAG,
      method: 'get',
      path: LETTERS,
      summary: 'Lists events that flows have failed',
    },
    parameters: [
      query('flow', text, 'Only dead letters of this flow.', 'orders'),
      query('before', text, 'Continues after a page, from its `next`.', ID.example),
      query('limit', { type: 'integer', minimum: 1, maximum: 200, default: 50 }, 'How many.', 50),
    ],
    responses: {
      200: jsonAnswer(
        'The dead letters, the newest first.',
        object({
          dead_letters: { type: 'array', items: object(LETTER_PROPERTIES) },
          next: { type: ['string', 'null'] },
        }),
      ),
    },
    codes: ['INVALID_QUERY', 'FORBIDDEN'],
  },
  {
    ...{ id: 'getDeadLetter', tag: FLOWS_TAG, method: 'get', path: `${LETTERS}/{id}`, summary: 'Shows a dead letter' },
    parameters: [ID],
    responses: { 200: jsonAnswer('The dead letter.', object({ ...LETTER_PROPERTIES, input: {} })) },
    codes: ['NOT_FOUND', 'FORBIDDEN'],
  },
  {
    ...{
      id: 'deleteDeadLetter',
      tag: FLOWS_TAG,
      method: 'delete',
      path: `${LETTERS}/{id}`,
      summary: 'Removes a dead letter',
    },
    parameters: [ID],
    responses: { 204: { description: 'Removed.' } },
    codes: ['NOT_FOUND', 'FORBIDDEN'],
  },
  {
    ...{ id: 'replayDeadLetter', tag: FLOWS_TAG, method: 'post', path: `${LETTERS}/{id}/replay` },
    summary: 'Runs the flow again with a dead letter',
    parameters: [ID],
    responses: {
      200: jsonAnswer(
        'The flow succeeded; the dead letter is removed.',
        object({ replayed: { const: true }, result: {} }, ['replayed']),
      ),
    },
    codes: ['NOT_FOUND', 'CONFLICT', 'FORBIDDEN', 'FLOW_FAILED'],
  },
];

/** Describes connectors and flows of an application for the documents of the API. */
export function describeFlowOperations({ connectors }: AppFlows): Described {
  const own = connectors.flatMap((connector) => connector.describe?.() ?? []);
  const rooms = { name: ROOMS_TAG, description: 'Connections that are in rooms and exchange messages.' };
  const flows = {
    name: FLOWS_TAG,
    description: 'Requests that start flows, and the events that flows could not handle.',
  };
  return {
    operations: [...own, ...ADMIN],
    tags: [...(own.some(({ tag }) => tag === ROOMS_TAG) ? [rooms] : []), flows],
  };
}
