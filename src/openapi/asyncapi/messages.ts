import { ERRORS } from '../../errors.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { isOffered } from '../../schema/plan.ts';
import type { Capabilities } from '../capabilities.ts';
import { selectedName } from '../schemas/component-schemas.ts';
import {
  EXAMPLE_SEQ,
  EXAMPLE_TIME,
  exampleBody,
  exampleInput,
  exampleKey,
  exampleRecord,
} from '../schemas/examples.ts';
import { keySchema, orNull, type Part, refer } from '../schemas/schemas.ts';

const SEQ = { type: 'integer', format: 'int64' };
const TIME = { type: 'string', format: 'date-time' };
const REF = { type: ['string', 'number'], description: 'Set by the client; returned in `ack` or `error`.' };
const REPLAYED = { const: true, description: 'It was committed before; this time nothing was written.' };
const AT = { timestamp: EXAMPLE_TIME, seq: EXAMPLE_SEQ };

const PING: Part = {
  name: 'Ping',
  summary: 'Heartbeat; the server replies with `pong`. For clients whose library hides the pings of the protocol.',
  payload: {
    type: 'object',
    properties: { message_type: { const: 'Ping' }, ref: REF },
    required: ['message_type'],
  },
  examples: [{ payload: { message_type: 'Ping', ref: 1 } }],
};

const CLIENT_TRANSACTION: Part = {
  name: 'Transaction',
  summary: 'Writes to several tables, all or nothing; the steps are those of `POST /_/transaction`.',
  payload: {
    type: 'object',
    properties: {
      message_type: { const: 'Transaction' },
      steps: { type: 'array', items: { type: 'object' }, minItems: 1 },
      ref: REF,
    },
    required: ['message_type', 'steps'],
  },
  examples: [
    { payload: { message_type: 'Transaction', steps: [{ op: 'delete', table: 'Message', id: 'a-1' }], ref: 1 } },
  ],
};

/** Describes the messages of a channel by name; names of messages that a client sends contain `.client.`. */
export function channelMessages(table: TablePlan, { delta }: Capabilities): Readonly<Record<string, Part>> {
  const { name } = table;
  return {
    [`${name}.Update`]: change(table, 'Update', ['create', 'update']),
    ...(delta ? { [`${name}.Update.delta`]: deltaUpdate(table) } : {}),
    [`${name}.Delete`]: change(table, 'Delete', ['delete']),
    [`${name}.Publish`]: change(table, 'Publish', ['publish']),
    [`${name}.Retained`]: change(table, 'Retained', ['retained']),
    ...(isOffered(table, 'create') && isOffered(table, 'update')
      ? { [`${name}.client.record`]: bareRecord(table), [`${name}.client.Update`]: envelope(table, 'Update') }
      : {}),
    ...(isOffered(table, 'update') ? { [`${name}.client.Patch`]: envelope(table, 'Patch') } : {}),
    ...(isOffered(table, 'delete') ? { [`${name}.client.Delete`]: envelope(table, 'Delete') } : {}),
    ...(isOffered(table, 'publish') ? { [`${name}.client.Publish`]: envelope(table, 'Publish') } : {}),
    [`${name}.client.Transaction`]: CLIENT_TRANSACTION,
    [`${name}.client.Ping`]: PING,
  };
}

/** Properties of frames in a window, PROTOCOL.md §4.8. */
const WINDOW_PROPERTIES = {
  at: { type: 'integer', minimum: 0, description: 'In a window: its index, after it was removed from its old place.' },
  reason: {
    const: 'window',
    description: 'The record did not change: it entered the window because another one left.',
  },
  record_seq: { ...SEQ, description: 'The seq of its own last change, in that case.' },
};

/** Properties of frames of a change with several frames, and of a transaction with several changes. */
const GROUP_PROPERTIES = {
  tx: { ...SEQ, description: 'Mark of the transaction: the seq of its last change, in whatever table.' },
  more: { const: true, description: 'Another frame of the same change or transaction follows.' },
};

type ChangeType = 'Update' | 'Delete' | 'Publish' | 'Retained';

const SUMMARIES: Readonly<Record<ChangeType, string>> = {
  Update: 'A record was created or changed; `data` is the full record after the change.',
  Delete: 'A record was removed.',
  Publish: 'A message that is not stored; `id` is null when it was published to the table.',
  Retained: 'A stored record, before what is live; `seq` and `timestamp` are those of its last change.',
};

function dataSchema(table: TablePlan, type: ChangeType): Part {
  const { name, primaryKey } = table;
  if (type === 'Publish') return {};
  // With `select`, only the fields that it names.
  if (type !== 'Delete') return { anyOf: [refer(name), refer(selectedName(table))] };
  const properties = { [primaryKey.name]: keySchema(primaryKey) };
  return { type: 'object', properties, required: [primaryKey.name] };
}

function change(table: TablePlan, type: ChangeType, ops: readonly string[]): Part {
  const id = type === 'Publish' ? orNull(keySchema(table.primaryKey)) : keySchema(table.primaryKey);
  const key = exampleKey(table);
  const data = type === 'Delete' ? { [table.primaryKey.name]: key } : exampleRecord(table);
  const example = { message_type: type, data, id: key, ...AT, op: ops[0] };
  return {
    name: type,
    summary: SUMMARIES[type],
    payload: {
      type: 'object',
      properties: {
        message_type: { const: type },
        data: dataSchema(table, type),
        id,
        timestamp: TIME,
        seq: SEQ,
        op: { enum: ops },
        ...(type === 'Delete' ? { reason: { type: 'string', description: 'Why, when it was not a removal.' } } : {}),
        ...(type === 'Update' ? WINDOW_PROPERTIES : {}),
        ...(type === 'Retained' ? {} : GROUP_PROPERTIES),
      },
      required: ['message_type', 'data', 'id', 'timestamp', 'seq', 'op'],
    },
    examples: [{ payload: example }],
  };
}

/** Describes an update of a channel with `delta=true`. */
function deltaUpdate(table: TablePlan): Part {
  const { payload, ...update } = change(table, 'Update', ['update']) as { readonly payload: Part };
  const { properties, required } = payload as { readonly properties: Part; readonly required: readonly string[] };
  const key = exampleKey(table);
  const changed = { type: 'array', items: { type: 'string' }, description: 'The names of the fields in `data`.' };
  return {
    ...update,
    summary: 'With `delta=true`: a record was changed; `data` has only the fields that changed.',
    payload: {
      ...payload,
      properties: { ...properties, data: { type: 'object' }, changed },
      required: [...required, 'changed'],
    },
    examples: [{ payload: { message_type: 'Update', data: {}, id: key, ...AT, op: 'update', changed: [] } }],
  };
}

function bareRecord(table: TablePlan): Part {
  return {
    name: 'record',
    summary: 'A record: stored as `PUT` would store it.',
    payload: refer(`${table.name}.replace`),
    examples: [{ payload: exampleInput(table) }],
  };
}

const ENVELOPE_SCHEMAS = { Update: 'replace', Patch: 'merge' } as const;

function envelope(table: TablePlan, type: 'Update' | 'Patch' | 'Delete' | 'Publish'): Part {
  const data = type === 'Update' || type === 'Patch' ? refer(`${table.name}.${ENVELOPE_SCHEMAS[type]}`) : {};
  const isOfRecord = type === 'Patch' || type === 'Delete';
  const id = isOfRecord ? keySchema(table.primaryKey) : orNull(keySchema(table.primaryKey));
  const required = ['message_type', ...(type === 'Delete' ? [] : ['data'])];
  const example = type === 'Patch' ? exampleBody(table, 'merge') : exampleInput(table);
  return {
    name: type,
    summary: `${type}, with an optional \`ref\` to be acknowledged.`,
    payload: {
      type: 'object',
      properties: { message_type: { const: type }, id, data, ref: REF },
      required,
    },
    examples: [
      {
        payload: { message_type: type, id: exampleKey(table), ...(type === 'Delete' ? {} : { data: example }), ref: 1 },
      },
    ],
  };
}

function control(type: string, summary: string, properties: Part, example: Part): Part {
  return {
    name: type,
    summary,
    payload: {
      type: 'object',
      properties: { type: { const: type }, ...properties },
      required: ['type', ...Object.keys(example)],
    },
    examples: [{ payload: { type, ...example } }],
  };
}

/** Describes the frames that are the same on every channel. */
export function controlMessages(): Readonly<Record<string, Part>> {
  const { seq } = AT;
  const reason = {
    enum: ['position_trimmed', 'position_unknown', 'rights_changed', 'window_changed', 'totals_changed', 'interrupted'],
  };
  const total = { type: 'integer', minimum: 0, description: 'With `count=true`: the number of matching records.' };
  return {
    _ready: control('ready', 'The subscription is live from `seq` on.', { seq: SEQ, total }, { seq }),
    _reset: control(
      'reset',
      '`since` cannot be resumed; the whole state follows as `Retained`, then `ready`.',
      { reason, seq: SEQ },
      { reason: 'position_trimmed', seq },
    ),
    _ack: control(
      'ack',
      'The message with this `ref` is committed.',
      { ref: REF, id: { type: ['string', 'integer', 'null'] }, seq: SEQ, replayed: REPLAYED },
      { ref: 1, id: 'msg-1', seq },
    ),
    _pong: control('pong', 'Reply to `Ping`.', { ref: REF }, {}),
    _error: control(
      'error',
      'A message was refused. Only its sender receives this, and the socket stays open.',
      { code: { enum: Object.keys(ERRORS) }, message: { type: 'string' }, details: {}, ref: REF },
      { code: 'VALIDATION_ERROR', message: 'title: is required' },
    ),
  };
}
