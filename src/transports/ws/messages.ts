import { AppError, internalError } from '../../errors.ts';
import { isObject } from '../../resources/body/values.ts';
import { makeIdempotencyKey } from '../../resources/idempotency.ts';
import { keyProblem } from '../../resources/key.ts';
import type { WriteOptions } from '../../resources/table/types.ts';
import type { TransactionResult } from '../../resources/transactions/transactions.ts';
import { formatResults, makeTransactionKey } from '../../resources/transactions/wire.ts';
import type { IdempotencyKey, RecordKey, WriteOutcome } from '../../store/store.ts';
import { formatRenewed, isAuthMessage, parseRef, type Ref, renew } from '../socket/auth-message.ts';
import type { WsConnection } from './connection.ts';

const TYPES = ['Update', 'Patch', 'Delete', 'Publish'] as const;
type EnvelopeType = (typeof TYPES)[number];

const MEMBERS = new Set(['message_type', 'id', 'data', 'ref', 'timestamp', 'seq', 'op', 'if_seq']);

/** Write that a message asks for. A bare record is an Update without a ref. */
interface ClientCommand {
  readonly type: EnvelopeType;
  readonly id: RecordKey | undefined;
  readonly data: unknown;
  readonly options?: WriteOptions;
}

type WriteResult = Pick<WriteOutcome, 'id' | 'seq' | 'changed' | 'replayed' | 'transaction'>;

/** Answers the sender, once the messages before it are answered. */
export type MessageAnswer = (connection: WsConnection) => void;

/**
 * Runs one message, and resolves with the answer to its sender. The socket stays open whatever is wrong with the
 * message. Messages that arrive together share a commit: none waits for the one before it.
 */
export async function handleMessage(
  connection: WsConnection,
  message: Buffer,
  isBinary: boolean,
): Promise<MessageAnswer> {
  let ref: Ref | undefined;
  try {
    const value = connection.format.decode(message, isBinary);
    if (!isObject(value)) throw new AppError('INVALID_MESSAGE', 'A message is an object: a record or an envelope.');
    const isAuth = connection.context.auth !== undefined && isAuthMessage(value);
    ref = isAuth || Object.hasOwn(value, 'message_type') ? parseRef(value.ref) : undefined;
    if (isAuth) return answerRenewed(await renew(connection, value, connection.context.auth), ref);
    if (value.message_type === 'Ping') return (sender) => sender.answer({ type: 'pong', ref });
    if (connection.realtime?.hearsMessages) await connection.realtime.message(value);
    if (value.message_type === 'Transaction')
      return answerTransaction(await runTransaction(connection, value, ref), ref);
    const { id, seq, replayed } = await execute(connection, parseCommand(connection, value), ref);
    const ack = { type: 'ack', ref, id, seq, ...(replayed && { replayed }) };
    return (sender) => ref !== undefined && sender.answer(ack);
  } catch (error) {
    const expected = error instanceof AppError;
    if (!expected) connection.context.onError(error);
    const refusal = expected ? error : internalError();
    return (sender) => sender.refuse(refusal, ref);
  }
}

function answerRenewed(renewed: Awaited<ReturnType<typeof renew>>, ref: Ref | undefined): MessageAnswer {
  if (renewed === undefined) return () => {};
  const answer = formatRenewed(renewed.expiresAt, ref);
  return (sender) => sender.answer(answer);
}

const TRANSACTION_MEMBERS = new Set(['message_type', 'steps', 'ref']);

async function runTransaction(
  { client, identity, context }: WsConnection,
  { steps, ...others }: Record<string, unknown>,
  ref: Ref | undefined,
): Promise<TransactionResult> {
  const unknown = Object.keys(others).find((name) => !TRANSACTION_MEMBERS.has(name));
  if (unknown !== undefined) {
    throw new AppError('INVALID_MESSAGE', `A Transaction has steps and ref, not ${JSON.stringify(unknown)}.`);
  }
  const { transactions, tables, resource } = context;
  const key = client === undefined || ref === undefined ? undefined : JSON.stringify([client, ref]);
  const once = key === undefined ? undefined : makeTransactionKey({ identity, key, steps });
  const result = await transactions.run({ identity, resources: tables, steps, once });
  resource.counters.messages++;
  return result;
}

/** Answers with the results of the steps; their changes also come as frames. */
function answerTransaction(result: TransactionResult, ref: Ref | undefined): MessageAnswer {
  if (ref === undefined) return () => {};
  const { seq, replayed } = result;
  const results = JSON.parse(formatResults(result)) as unknown;
  const ack = { type: 'ack', ref, seq, results, ...(replayed && { replayed }) };
  return (sender) => sender.answer(ack);
}

async function execute(connection: WsConnection, command: ClientCommand, ref: Ref | undefined): Promise<WriteResult> {
  const { resource } = connection.context;
  const outcome = await run(connection, command, idempotencyKeyOf(connection, command, ref));
  // A write that changed nothing has the seq of an earlier change, perhaps of another client; a repeated one may have
  // been sent by another socket. The frames of a transaction come all, for the last one says that it is complete.
  const { changed, replayed, transaction } = outcome;
  if (changed && !replayed && transaction === undefined) connection.subscription?.mute(outcome.seq);
  resource.counters.messages++;
  return outcome;
}

/** Key by which the message is recognised when it is sent again, on any channel of the table: all write to it. */
function idempotencyKeyOf(
  { client, identity, context }: WsConnection,
  command: ClientCommand,
  ref: Ref | undefined,
): IdempotencyKey | undefined {
  if (client === undefined || ref === undefined) return undefined;
  const { type, id, data, options } = command;
  const parts = [type, id ?? null, data ?? null, options?.precondition ?? null];
  const { table } = context.resource;
  // JSON keeps the number 1 and the string "1" apart.
  return makeIdempotencyKey({ table, identity, space: `ws:${client}`, key: JSON.stringify(ref), parts });
}

async function run(
  { identity, context: { resource } }: WsConnection,
  command: ClientCommand,
  once: IdempotencyKey | undefined,
): Promise<WriteResult> {
  const { type, id, data } = command;
  const options = once === undefined ? command.options : { ...command.options, once };
  switch (type) {
    case 'Update':
      return resource.put(identity, id, data, options);
    case 'Patch':
      if (id === undefined) throw new AppError('INVALID_MESSAGE', 'A Patch needs an id.');
      return resource.patch(identity, id, data, options);
    case 'Delete':
      if (id === undefined) throw new AppError('INVALID_MESSAGE', 'A Delete needs an id.');
      return resource.delete(identity, id, options);
    case 'Publish':
      return { ...(await resource.publish(identity, id ?? null, data, once)), id: id ?? null, changed: true };
  }
}

function parseCommand(connection: WsConnection, value: Record<string, unknown>): ClientCommand {
  if (!Object.hasOwn(value, 'message_type')) return { type: 'Update', id: connection.id, data: value };
  const type = TYPES.find((name) => name === value.message_type);
  if (type === undefined) {
    const found = JSON.stringify(value.message_type)?.slice(0, 100);
    throw new AppError(
      'INVALID_MESSAGE',
      `message_type must be ${TYPES.join(', ')}, Transaction or Ping, not ${found}.`,
    );
  }
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) {
    throw new AppError(
      'INVALID_MESSAGE',
      `An envelope has message_type, id, data, ref and if_seq, not ${JSON.stringify(unknown)}.`,
    );
  }
  if (value.data === undefined && (type === 'Update' || type === 'Patch')) {
    throw new AppError('INVALID_MESSAGE', type === 'Update' ? 'An Update needs data.' : 'A Patch needs data.');
  }
  const command = { type, id: parseId(connection, value.id), data: value.data };
  return Object.hasOwn(value, 'if_seq') ? { ...command, options: parseCondition(type, value.if_seq) } : command;
}

/** Reads `if_seq`: the record's seq, or null for a record that must not exist. */
function parseCondition(type: EnvelopeType, seq: unknown): WriteOptions {
  if (type === 'Publish') throw new AppError('INVALID_MESSAGE', 'if_seq is for an Update, a Patch or a Delete.');
  if (seq === null && type !== 'Patch') return { precondition: 'none' };
  if (Number.isSafeInteger(seq) && Number(seq) >= 0) return { precondition: [Number(seq)] };
  throw new AppError('INVALID_MESSAGE', 'if_seq must be the seq of the record, or null if it must not exist.');
}

function parseId({ id, context }: WsConnection, given: unknown): RecordKey | undefined {
  if (given === undefined || given === null) return id;
  const { resource } = context;
  const problem = keyProblem(resource.table, given, resource.maxIdLength);
  if (problem !== undefined) throw new AppError('INVALID_ID', `The id ${problem}.`);
  if (id !== undefined && given !== id) {
    throw new AppError('VALIDATION_ERROR', `id: must be ${JSON.stringify(id)}, the record of this channel.`);
  }
  return given as RecordKey;
}
