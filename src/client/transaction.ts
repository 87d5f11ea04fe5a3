import type { Environment } from './connection/environment.ts';
import type { RequestOptions } from './connection/http.ts';
import type { LiveHub } from './live/live-hub.ts';
import type { WriteStep } from './live/overlay.ts';
import type { Position } from './live/subscription.ts';
import { loadRequests } from './table.ts';
import type { CreateOf, PatchOf, PutOf } from './table-types.ts';

type Id = string | number;

/** Key of a record that an earlier step of the transaction has named by `as`. */
export interface Reference {
  readonly $ref: string;
}
type WithReferences<D> = { readonly [Name in keyof D]: D[Name] | Reference };

interface StepOptions {
  /** Name by which later steps refer to the key of the record: `{ $ref: 'order' }`. */
  readonly as?: string;
  /** Position that the record must have; null: it must not exist. */
  readonly ifSeq?: Position | string | null;
}

/** Step of a transaction: docs/reference/api/transactions.md. */
export type TransactionStep<Tables> = {
  [Name in keyof Tables & string]: { readonly table: Name } & (
    | ({ readonly op: 'create'; readonly data: WithReferences<CreateOf<Tables[Name]>> } & Pick<StepOptions, 'as'>)
    | ({
        readonly op: 'put';
        readonly id?: Id | Reference;
        readonly data: WithReferences<PutOf<Tables[Name]>>;
      } & StepOptions)
    | ({
        readonly op: 'patch';
        readonly id: Id | Reference;
        readonly data: WithReferences<PatchOf<Tables[Name]>>;
      } & StepOptions)
    | ({ readonly op: 'delete'; readonly id: Id | Reference } & StepOptions)
    | { readonly op: 'publish'; readonly id?: Id | Reference; readonly data: unknown }
    | { readonly op: 'check'; readonly id: Id | Reference; readonly ifSeq: Position | string | null }
  );
}[keyof Tables & string];

/** Result of one step. */
export interface StepResult {
  readonly op: string;
  readonly table: string;
  readonly id: Id | null;
  readonly seq: Position;
  readonly changed?: boolean;
  /** Record as stored; of a create, put or patch. */
  readonly data?: unknown;
}

export interface TransactionResult {
  readonly results: readonly StepResult[];
  /** Position after the transaction: `list.reached(position)` waits for it. */
  readonly position: Position;
}

export type TransactionOptions = RequestOptions & {
  /** False to show the writes when they are confirmed, also where the client has the option `optimistic`. */
  readonly optimistic?: false;
};

export interface AnyStep extends StepOptions {
  readonly op: string;
  readonly table: string;
  readonly id?: Id;
  readonly data?: unknown;
}

/** Writes several records, all or none. Throws TablecastError for the step that is refused. */
export async function sendTransaction(
  environment: Environment,
  { overlay }: LiveHub,
  steps: readonly object[],
  { optimistic, ...options }: TransactionOptions = {},
): Promise<TransactionResult> {
  const all = steps as readonly AnyStep[];
  const shown = all.filter(({ op }) => op !== 'publish' && op !== 'check') as readonly (AnyStep & WriteStep)[];
  const send = async (named: readonly WriteStep[]): Promise<TransactionResult> => {
    const { sendSteps } = await loadRequests();
    const made = all.map((step) => {
      const data = step.op === 'create' ? named[shown.indexOf(step as never)]?.data : step.data;
      return data === undefined ? step : { ...step, data };
    });
    return sendSteps(environment, made, options);
  };
  return overlay === undefined || optimistic === false ? send(shown) : overlay.write(shown, send);
}
