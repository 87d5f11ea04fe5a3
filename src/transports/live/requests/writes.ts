import type { Identity } from '../../../auth/identity.ts';
import { AppError } from '../../../errors.ts';
import { makeIdempotencyKey } from '../../../resources/idempotency.ts';
import { keyProblem } from '../../../resources/key.ts';
import { mergeIntoRecord } from '../../../resources/merge-patch.ts';
import type { TableResource } from '../../../resources/table/resource.ts';
import type { WriteOptions } from '../../../resources/table/types.ts';
import type { IdempotencyKey, RecordKey, WriteOutcome } from '../../../store/store.ts';
import { invalid, type LiveMessage, type WriteOp } from '../messages.ts';

const OPS: readonly WriteOp[] = ['create', 'put', 'patch', 'merge', 'delete', 'publish'];
/** Digits of a seq. */
const SEQ = /^\d{1,16}$/;

/** Sender of a write. */
export interface LiveWriter {
  readonly identity: Identity;
  /** Id that the client gave itself, by which a repeated `ref` is recognised; undefined when it gave none. */
  readonly client: string | undefined;
}

/** Outcome of a write, for the acknowledgement. */
export interface LiveWritten extends Pick<WriteOutcome, 'id' | 'seq' | 'changed' | 'replayed' | 'transaction'> {
  /** Number of subscriptions that a published message reaches. */
  readonly delivered?: number;
  /** JSON text of the record, where the message asks for it. */
  readonly json?: string;
}

interface LiveWrite {
  readonly op: WriteOp;
  readonly key: RecordKey | undefined;
  readonly data: unknown;
  readonly options: WriteOptions;
}

/** Runs a `write` message on its table. Throws INVALID_MESSAGE, and as the table does. */
export async function runWrite(
  message: LiveMessage,
  resource: TableResource,
  { identity, client }: LiveWriter,
): Promise<LiveWritten> {
  const write = parseWrite(message, resource);
  const { ref } = message;
  const once =
    client === undefined || ref === undefined
      ? undefined
      : makeIdempotencyKey({
          table: resource.table,
          identity,
          space: `live:${client}`,
          // JSON keeps the number 1 and the string "1" apart.
          key: JSON.stringify(ref),
          parts: [write.op, write.key ?? null, write.data ?? null, write.options.precondition ?? null],
        });
  const outcome = await submit(resource, identity, { write, once });
  resource.counters.messages++;
  return message.value.return === 'record' ? outcome : { ...outcome, json: '' };
}

interface SubmittedWrite {
  readonly write: LiveWrite;
  readonly once: IdempotencyKey | undefined;
}

async function submit(
  resource: TableResource,
  identity: Identity,
  { write: { op, key, data, options }, once }: SubmittedWrite,
): Promise<LiveWritten> {
  const all = once === undefined ? options : { ...options, once };
  switch (op) {
    case 'create':
      return resource.create(identity, data, once);
    case 'put':
      return resource.put(identity, key, data, all);
    case 'patch':
      return resource.patch(identity, key as RecordKey, data, all);
    case 'merge':
      return mergeIntoRecord(resource, { identity, id: key as RecordKey, patch: data, options: all });
    case 'delete':
      return resource.delete(identity, key as RecordKey, all);
    case 'publish':
      return { ...(await resource.publish(identity, key ?? null, data, once)), id: key ?? null, changed: true };
  }
}

function parseWrite({ value }: LiveMessage, resource: TableResource): LiveWrite {
  const op = OPS.find((name) => name === value.op);
  if (op === undefined) throw invalid(`op must be ${OPS.join(', ')}.`);
  if (value.return !== undefined && value.return !== 'record') throw invalid('return takes "record".');
  const { data } = value;
  if (op === 'delete' ? data !== undefined : data === undefined) {
    throw invalid(op === 'delete' ? 'A delete has no data.' : `A ${op} needs data.`);
  }
  const key = parseWriteKey(value.key, resource);
  if (key === undefined && (op === 'patch' || op === 'merge' || op === 'delete')) throw invalid(`A ${op} needs a key.`);
  if (key !== undefined && op === 'create') throw invalid('A create has its key in data; put writes one with a key.');
  return { op, key, data, options: Object.hasOwn(value, 'if_seq') ? parseCondition(op, value.if_seq) : {} };
}

function parseWriteKey(given: unknown, { table, maxIdLength }: TableResource): RecordKey | undefined {
  if (given === undefined || given === null) return undefined;
  const problem = keyProblem(table, given, maxIdLength);
  if (problem !== undefined) throw new AppError('INVALID_ID', `The key ${problem}.`);
  return given as RecordKey;
}

/** Reads `if_seq`: the seq of the record, or null for a record that must not exist. */
function parseCondition(op: WriteOp, seq: unknown): WriteOptions {
  if (op === 'create' || op === 'publish') throw invalid('if_seq is for put, patch, merge and delete.');
  if (seq === null) return { precondition: 'none' };
  if (typeof seq === 'string' && SEQ.test(seq)) return { precondition: [Number(seq)] };
  throw invalid('if_seq must be the seq of the record, a string, or null if it must not exist.');
}
