import type { Identity } from '../../auth/identity.ts';
import { AppError, internalError } from '../../errors.ts';
import type { TableResource } from '../../resources/table/resource.ts';
import type { Transactions } from '../../resources/transactions/transactions.ts';
import { formatResults, makeTransactionKey } from '../../resources/transactions/wire.ts';
import { type GatewayMessage, GatewayRefusal } from './requests.ts';

const MAX_KEY_CHARS = 256;

interface MessageScope {
  readonly transactions: Transactions;
  /** Tables that a transaction can name, by export name. */
  readonly collections: ReadonlyMap<string, TableResource>;
  readonly identity: Identity;
  readonly onError: (error: unknown) => void;
}

/** Runs the transaction of a message, and resolves with the answer. Throws GatewayRefusal. */
export async function runTransaction(message: GatewayMessage, scope: MessageScope): Promise<object> {
  const { ref, steps } = message;
  const about = ref === undefined ? {} : { ref };
  const { transactions, collections: resources, identity, onError } = scope;
  try {
    const once = keyOf(message, identity);
    const result = await transactions.run({ identity, resources, steps, once });
    const { seq, replayed } = result;
    const results = JSON.parse(formatResults(result)) as unknown;
    return { type: 'transaction', ...about, seq, results, ...(replayed ? { replayed } : {}) };
  } catch (error) {
    if (!(error instanceof AppError)) onError(error);
    const refusal = error instanceof AppError ? error : internalError();
    const { code, step, errors, message: sentence } = refusal;
    throw new GatewayRefusal(sentence, {
      code,
      ...(step === undefined ? {} : { step }),
      ...(errors === undefined ? {} : { errors }),
      ...about,
    });
  }
}

function keyOf(
  { ref, key, steps }: GatewayMessage,
  identity: Identity,
): ReturnType<typeof makeTransactionKey> | undefined {
  if (ref !== undefined && typeof ref !== 'string' && typeof ref !== 'number') {
    throw new AppError('INVALID_MESSAGE', 'ref must be a string or a number.');
  }
  if (key === undefined) return undefined;
  if (typeof key !== 'string' || key === '' || key.length > MAX_KEY_CHARS) {
    throw new AppError('INVALID_MESSAGE', `key must be a string of 1 to ${MAX_KEY_CHARS} characters.`);
  }
  return makeTransactionKey({ identity, key, steps });
}
