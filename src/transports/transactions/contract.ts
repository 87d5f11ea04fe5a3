import type { Limits } from '../../config/config.ts';
import { OWN_SEGMENT, TRANSACTION_NAME } from '../../config/reserved-paths.ts';
import { type ContractOperation, type Described, jsonAnswer, jsonBody } from '../../openapi/contract-operation.ts';
import { parameters } from '../../openapi/parameters.ts';
import { EXAMPLE_SEQ } from '../../openapi/schemas/examples.ts';
import type { Part } from '../../openapi/schemas/schemas.ts';
import { STEP_OPS } from '../../resources/table/types.ts';

const TAG = 'Transactions';
const SEQ: Part = { type: 'integer', format: 'int64', minimum: 0 };
const KEY: Part = { type: ['string', 'integer'] };

/** Describes the address of transactions. `tables`: export names of the tables that a step can name. */
export function describeTransactions(
  tables: readonly string[],
  { transaction }: Pick<Limits, 'transaction'>,
): Described {
  const operation: ContractOperation = {
    id: 'transact',
    tag: TAG,
    method: 'post',
    path: `/${OWN_SEGMENT}/${TRANSACTION_NAME}`,
    summary: 'Writes to several tables, all or nothing',
    description:
      'The steps are checked as single writes are, and committed together. A problem has the index of the `step` that was refused.',
    parameters: parameters('idempotencyKey', 'prefer'),
    body: jsonBody(bodySchema(tables, transaction), exampleOf(tables)),
    responses: { 200: jsonAnswer('The results of the steps, in their order.', answerSchema(tables)) },
    codes: [
      'BAD_REQUEST',
      'INVALID_JSON',
      'INVALID_QUERY',
      'INVALID_ID',
      'VALIDATION_ERROR',
      'NOT_FOUND',
      'NOT_ACCEPTABLE',
      'CONFLICT',
      'PRECONDITION_FAILED',
      'BODY_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE',
      'IDEMPOTENCY_KEY_REUSED',
    ],
  };
  return { operations: [operation], tags: [{ name: TAG, description: 'Writes that happen together.' }] };
}

function bodySchema(tables: readonly string[], maxItems: number): Part {
  const reference: Part = {
    type: 'object',
    // As a declared property, `$ref` would be resolved as a reference by most tools.
    additionalProperties: { type: 'string', description: 'The `as` of an earlier step.' },
    propertyNames: { const: '$ref' },
    minProperties: 1,
  };
  const step: Part = {
    type: 'object',
    properties: {
      op: { enum: STEP_OPS },
      table: { enum: tables },
      id: { anyOf: [KEY, reference], description: 'Key of the record; `create` has it in `data`.' },
      data: {
        description:
          'The record, the fields to replace, or what is published. Where a field takes no object, `{"$ref":"name"}` is the key of the record of an earlier step.',
      },
      if_seq: {
        anyOf: [SEQ, { type: 'null' }],
        description: 'Seq that the record must have; null: it must not exist.',
      },
      as: { type: 'string', description: 'Name for later steps.' },
    },
    required: ['op', 'table'],
    additionalProperties: false,
  };
  return {
    type: 'object',
    properties: { steps: { type: 'array', items: step, minItems: 1, maxItems } },
    required: ['steps'],
    additionalProperties: false,
  };
}

function answerSchema(tables: readonly string[]): Part {
  const result: Part = {
    type: 'object',
    properties: {
      op: { enum: STEP_OPS },
      table: { enum: tables },
      id: { type: ['string', 'integer', 'null'] },
      seq: { ...SEQ, description: 'Position of the change; of a record that did not change, its seq.' },
      created: { type: 'boolean' },
      changed: { type: 'boolean' },
      delivered: { type: 'integer', description: 'Subscriptions that receive the message.' },
      data: { description: 'The record as it is stored.' },
    },
    required: ['op', 'table', 'id', 'seq'],
  };
  return {
    type: 'object',
    properties: {
      seq: { ...SEQ, description: 'Position after the transaction.', examples: [EXAMPLE_SEQ] },
      results: { type: 'array', items: result },
    },
    required: ['seq', 'results'],
  };
}

function exampleOf([table = 'Message']: readonly string[]): unknown {
  return { steps: [{ op: 'check', table, id: 'a-1', if_seq: null }] };
}
