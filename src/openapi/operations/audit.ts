import { OWN_SEGMENT } from '../../config/reserved-paths.ts';
import { AUDIT_NAME } from '../../schema/names.ts';
import type { Plan } from '../../schema/plan.ts';
import { ACTOR_TYPES, AUDITED_OPS } from '../../store/audit.ts';
import type { OperationContext } from '../operation-maker.ts';
import { parameters, query } from '../parameters.ts';
import { type ErrorResponses, headers } from '../responses.ts';
import { EXAMPLE_SEQ, EXAMPLE_TIME } from '../schemas/examples.ts';
import { type Part, refer } from '../schemas/schemas.ts';

/** Name that no type of a schema can have: they cannot begin with an underscore. */
const ENTRY = '_AuditEntry';
const TAG = 'Audit log';

const SEQ = { type: 'integer', format: 'int64', minimum: 0 };
const text: Part = { type: 'string' };
const MOMENT: Part = { anyOf: [SEQ, { type: 'string', format: 'date-time' }] };

const ENTRY_SCHEMA: Part = {
  type: 'object',
  description: 'One change of one record.',
  properties: {
    seq: { ...SEQ, description: 'Position of the change in the log.' },
    time: { type: 'string', format: 'date-time' },
    by: {
      type: 'object',
      properties: {
        type: { enum: ACTOR_TYPES },
        sub: { type: 'string', description: 'Id of a principal.' },
        roles: { type: 'array', items: text, description: 'Roles that the principal had.' },
        key: { type: 'string', description: 'Id of the API key that was used.' },
      },
      required: ['type'],
    },
    op: { enum: AUDITED_OPS },
    table: text,
    id: { type: ['string', 'integer'] },
    changes: {
      type: 'object',
      description: 'The fields that changed; hidden fields without their values.',
      additionalProperties: {
        anyOf: [
          { type: 'object', properties: { before: {}, after: {} }, required: ['before', 'after'] },
          { type: 'object', properties: { hidden: { const: true } }, required: ['hidden'] },
        ],
      },
    },
  },
  required: ['seq', 'time', 'by', 'op', 'table', 'id', 'changes'],
};

export interface AuditParts {
  readonly tags: readonly Part[];
  readonly paths: readonly (readonly [string, Part])[];
  readonly schemas: Part;
}

/** Describes the audit log; empty when no table has `@audit`. */
export function auditParts({ tables }: Plan, { errors, auth }: Pick<OperationContext, 'errors' | 'auth'>): AuditParts {
  const table = tables.find(({ audited }) => audited)?.name;
  if (table === undefined) return { tags: [], paths: [], schemas: {} };
  return {
    tags: [{ name: TAG, description: 'Who changed which record, for administrators.' }],
    paths: [[`/${OWN_SEGMENT}/${AUDIT_NAME}`, { get: operation(table, errors, auth) }]],
    schemas: { [ENTRY]: ENTRY_SCHEMA },
  };
}

function operation(table: string, errors: ErrorResponses, auth: boolean): Part {
  return {
    operationId: 'readAuditLog',
    tags: [TAG],
    summary: 'Reads who changed which record, the newest change first',
    parameters: [
      query('table', text, 'Only changes of this table.', table),
      query('id', text, 'Only changes of records with this key.', 'a-1'),
      query('by', text, 'Only changes by the principal with this `sub`.', 'ada'),
      query('by_type', { enum: ACTOR_TYPES }, 'Only changes by this type of caller.', ACTOR_TYPES[0]),
      query('op', { enum: AUDITED_OPS }, 'Only changes of this kind.', AUDITED_OPS[0]),
      query('since', MOMENT, 'Only changes after this seq, or from this time on.', EXAMPLE_TIME),
      query('until', MOMENT, 'Only changes up to this seq, or before this time.', EXAMPLE_TIME),
      query('before', SEQ, 'Continues after a page, from its `Link`.', EXAMPLE_SEQ),
      ...parameters('limit'),
    ],
    responses: {
      200: {
        description: 'The entries. A `Link` means that there may be more, also when the page is not full.',
        headers: headers('Link'),
        content: { 'application/json': { schema: { type: 'array', items: refer(ENTRY) } } },
      },
      ...errors.refer(['INVALID_QUERY', 'FORBIDDEN', ...(auth ? (['UNAUTHORIZED'] as const) : [])]),
    },
  };
}
