import type { AttemptOutcome, SharedLogins, StoredTicket } from '../../accounts.ts';
import { lockNumber, type PgAddress } from '../database/address.ts';
import type { WorkSession } from '../database/work.ts';
import { toArray } from '../sql/types.ts';

/** Expired tickets, or attempts that count no more, that one statement removes. */
const MAX_TRIMMED_ROWS = 100;

const ADD_TICKET = `INSERT INTO tickets (id, sub, principal, expires)
  SELECT $1, $2, $3, clock_timestamp() + $4::bigint * interval '1 ms'
  WHERE (SELECT count(*) FROM (SELECT FROM tickets LIMIT $5) AS waiting) < $5 RETURNING n`;

const FULL_NAME = `SELECT ceil(extract(epoch FROM at + $2::bigint * interval '1 ms' - clock_timestamp()) * 1000)::bigint, name.name
  FROM unnest($1::text[]) AS name (name) CROSS JOIN LATERAL (
    SELECT at FROM attempts WHERE attempts.name = name.name AND at > clock_timestamp() - $2::bigint * interval '1 ms'
    ORDER BY at DESC OFFSET $3::bigint - 1 LIMIT 1) AS oldest ORDER BY 1 DESC LIMIT 1`;

/** Tickets and failed attempts in tables that a crash of the database empties. Times are those of the database's clock. */
export class PgSharedLogins implements SharedLogins {
  readonly #work: WorkSession;
  readonly #lock: string;

  constructor(work: WorkSession, address: PgAddress) {
    this.#work = work;
    this.#lock = lockNumber(address, 'attempts');
  }

  addTicket(
    { id, sub, principal, lifetime }: StoredTicket,
    { maxTickets, maxPerPrincipal }: { readonly maxTickets: number; readonly maxPerPrincipal: number },
  ): Promise<boolean> {
    return this.#work.transaction(async (run) => {
      const expired = 'SELECT id FROM tickets WHERE expires <= clock_timestamp() LIMIT $1';
      await run(`DELETE FROM tickets WHERE id IN (${expired})`, [MAX_TRIMMED_ROWS]);
      const surplus = 'SELECT id FROM tickets WHERE sub = $1 ORDER BY n DESC OFFSET $2';
      await run(`DELETE FROM tickets WHERE id IN (${surplus})`, [sub, maxPerPrincipal - 1]);
      return (await run(ADD_TICKET, [id, sub, principal, lifetime, maxTickets])).length > 0;
    });
  }

  async takeTicket(id: string): Promise<string | undefined> {
    const sql = 'DELETE FROM tickets WHERE id = $1 RETURNING principal, expires > clock_timestamp()';
    const [row] = await this.#work.run(sql, [id]);
    return row?.[1] === 1 ? (row[0] as string) : undefined;
  }

  /** Attempts of all servers are counted one after the other: none sees a count that is about to grow. */
  beginAttempt(
    names: readonly string[],
    { limit, window }: { limit: number; window: number },
  ): Promise<AttemptOutcome> {
    return this.#work.transaction(async (run) => {
      await run(`SELECT pg_advisory_xact_lock(${this.#lock})`);
      const over = "SELECT ctid FROM attempts WHERE at < clock_timestamp() - $1::bigint * interval '1 ms' LIMIT $2";
      await run(`DELETE FROM attempts WHERE ctid = ANY(ARRAY(${over}))`, [window, MAX_TRIMMED_ROWS]);
      const [full] = await run(FULL_NAME, [toArray(names), window, limit]);
      if (full !== undefined) return { wait: full[0] as number, name: full[1] as string };
      const [row] = await run("SELECT nextval('attempts_number')");
      const id = row?.[0] as number;
      const sql = 'INSERT INTO attempts SELECT $1::bigint, name, clock_timestamp() FROM unnest($2::text[]) AS name';
      await run(sql, [id, toArray(names)]);
      return { id };
    });
  }

  async withdrawAttempt(id: number): Promise<void> {
    await this.#work.run('DELETE FROM attempts WHERE n = $1', [id]);
  }
}
