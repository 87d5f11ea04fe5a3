import type { PgAddress } from '../database/address.ts';
import { PgSession } from '../database/session.ts';

/** Key in `meta` of the newest position at which a server has found that the end of the log was lost. */
const KEY = 'rewound';

/** Mark of the last loss, as text; `0` without any. */
export const LOSS_MARK = `coalesce((SELECT value FROM meta WHERE key = '${KEY}'), '0')`;

/** True while the position that a server has read is of this log: an entry, one that was removed since, or a mark. */
export const IS_KNOWN = `($1 <= (SELECT coalesce(max(greatest(floor, shape)), 0) FROM tables)
    OR EXISTS (SELECT 1 FROM log WHERE seq = $1) OR $1 = ${LOSS_MARK}::bigint)`;

export interface Loss {
  /** Position that a server has read, and that is not in the log any more. */
  readonly lastSeq: number;
  /** Mark of the last loss that the server knows. */
  readonly mark: number;
  readonly clock: (() => number) | undefined;
}

/**
 * Marks that the database has lost the end of its log, as a copy has that was a little behind or a backup that was restored.
 * The mark is a position after every one that was read before, so that none of those is issued again. Returns it, or the one
 * that another server has made meanwhile.
 */
export async function markLoss(address: PgAddress, { lastSeq, mark, clock }: Loss): Promise<number> {
  const session = await PgSession.connect(address);
  try {
    await session.script('BEGIN');
    const { rows } = await session.send(
      'SELECT base FROM take(greatest(1, $1::bigint - (SELECT last_value FROM log_seq) + 1), $2)',
      [lastSeq, clock === undefined ? null : clock() * 1000],
    );
    const found = Number((await session.send(`SELECT ${LOSS_MARK}`)).rows[0]?.[0]);
    if (found > Math.max(mark, lastSeq)) return found;
    const position = Math.max((rows[0]?.[0] as number) + 1, lastSeq + 1);
    await session.send('INSERT INTO meta VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value', [
      KEY,
      String(position),
    ]);
    await session.script('COMMIT');
    return position;
  } finally {
    // Without a COMMIT all is as before.
    await session.close();
  }
}
