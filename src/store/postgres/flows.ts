import type { FlowStore, FlowStoreOptions, LetterQuery, StoredLetter } from '../flows.ts';
import type { Fence } from '../shared-store.ts';
import type { PgAddress } from './database/address.ts';
import type { Layout } from './database/layout.ts';
import { WorkSession } from './database/work.ts';

/** Tables of positions, dead letters and request keys. */
const FLOWS: Layout = {
  part: 'flows',
  steps: [
    `CREATE TABLE positions (name text COLLATE "C" PRIMARY KEY, position bigint NOT NULL);
    CREATE TABLE letters (
      id text COLLATE "C" PRIMARY KEY, flow text COLLATE "C" NOT NULL, key text COLLATE "C" NOT NULL, input text NOT NULL,
      notes text, identity text NOT NULL, error text NOT NULL, attempts int NOT NULL, done text NOT NULL,
      created bigint NOT NULL, UNIQUE (flow, key)
    );
    CREATE INDEX letters_created ON letters (created);
    CREATE TABLE requests (key text COLLATE "C" PRIMARY KEY, digest text NOT NULL, expires bigint NOT NULL);
    CREATE INDEX requests_expires ON requests (expires)`,
  ],
};

const LETTER = 'SELECT id, flow, key, input, notes, identity, error, attempts, done, created FROM letters';

/** Opens the state of the flows in the schema. Throws StoreOpenError. */
export async function openPostgresFlows(_options: FlowStoreOptions, address: PgAddress): Promise<FlowStore> {
  return new PostgresFlows(await WorkSession.open(address, FLOWS));
}

class PostgresFlows implements FlowStore {
  readonly #work: WorkSession;

  constructor(work: WorkSession) {
    this.#work = work;
  }

  async position(name: string): Promise<number | undefined> {
    return (await this.#work.run('SELECT position FROM positions WHERE name = $1', [name]))[0]?.[0] as
      | number
      | undefined;
  }

  async setPosition(name: string, position: number, fence?: Fence): Promise<void> {
    const next = 'ON CONFLICT (name) DO UPDATE SET position = excluded.position';
    if (fence === undefined)
      return void (await this.#work.run(`INSERT INTO positions VALUES ($1, $2) ${next}`, [name, position]));
    const held = 'SELECT 1 FROM leases WHERE name = $3 AND fence = $4';
    const sql = `INSERT INTO positions SELECT $1, $2::bigint WHERE EXISTS (${held}) ${next}`;
    await this.#work.run(sql, [name, position, fence.name, fence.number]);
  }

  async addLetter(letter: StoredLetter): Promise<void> {
    const { id, flow, key, input, notes, identity, error, attempts, done, created } = letter;
    await this.#work.transaction(async (run) => {
      await run('DELETE FROM letters WHERE (flow = $1 AND key = $2) OR id = $3', [flow, key, id]);
      await run('INSERT INTO letters VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', [
        id,
        flow,
        key,
        ...[input, notes, identity, error, attempts, JSON.stringify(done), created],
      ]);
    });
  }

  async letter(id: string): Promise<StoredLetter | undefined> {
    const [row] = await this.#work.run(`${LETTER} WHERE id = $1`, [id]);
    return row && readLetter(row);
  }

  async letters({ flow, before, limit }: LetterQuery): Promise<readonly StoredLetter[]> {
    const where = '($1::text IS NULL OR flow = $1) AND ($2::text IS NULL OR id < $2)';
    const sql = `${LETTER} WHERE ${where} ORDER BY id DESC LIMIT $3`;
    return (await this.#work.run(sql, [flow ?? null, before ?? null, limit])).map(readLetter);
  }

  async countLetters(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#work.run('SELECT flow, count(*) FROM letters GROUP BY flow');
    return new Map(rows as unknown as [string, number][]);
  }

  async updateLetter(
    id: string,
    { error, attempts, done }: Pick<StoredLetter, 'error' | 'attempts' | 'done'>,
  ): Promise<void> {
    const sql = 'UPDATE letters SET error = $2, attempts = $3, done = $4 WHERE id = $1';
    await this.#work.run(sql, [id, error, attempts, JSON.stringify(done)]);
  }

  async removeLetter(id: string): Promise<boolean> {
    return (await this.#work.run('DELETE FROM letters WHERE id = $1 RETURNING id', [id])).length > 0;
  }

  async trimLetters(createdBefore: number, maxCount: number): Promise<number> {
    const old = await this.#work.run('DELETE FROM letters WHERE created < $1 RETURNING id', [createdBefore]);
    const beyond = 'SELECT id FROM letters ORDER BY id DESC OFFSET $1';
    const surplus = await this.#work.run(`DELETE FROM letters WHERE id IN (${beyond}) RETURNING id`, [maxCount]);
    return old.length + surplus.length;
  }

  async requestDigest(key: string, now: number): Promise<string | undefined> {
    const [row] = await this.#work.run('SELECT digest FROM requests WHERE key = $1 AND expires > $2', [key, now]);
    return row?.[0] as string | undefined;
  }

  async keepRequest(key: string, digest: string, expires: number): Promise<void> {
    const next = 'digest = excluded.digest, expires = excluded.expires';
    await this.#work.run(`INSERT INTO requests VALUES ($1, $2, $3) ON CONFLICT (key) DO UPDATE SET ${next}`, [
      key,
      digest,
      expires,
    ]);
  }

  async removeRequest(key: string): Promise<void> {
    await this.#work.run('DELETE FROM requests WHERE key = $1', [key]);
  }

  async trimRequests(now: number, maxCount: number): Promise<number> {
    const old = await this.#work.run('DELETE FROM requests WHERE expires <= $1 RETURNING key', [now]);
    const beyond = 'SELECT key FROM requests ORDER BY expires DESC OFFSET $1';
    const surplus = await this.#work.run(`DELETE FROM requests WHERE key IN (${beyond}) RETURNING key`, [maxCount]);
    return old.length + surplus.length;
  }

  close(): Promise<void> {
    return this.#work.close();
  }
}

type LetterRow = readonly [
  id: string,
  flow: string,
  key: string,
  input: string,
  notes: string | null,
  identity: string,
  error: string,
  attempts: number,
  done: string,
  created: number,
];

function readLetter(row: readonly unknown[]): StoredLetter {
  const [id, flow, key, input, notes, identity, error, attempts, done, created] = row as LetterRow;
  return { id, flow, key, input, notes, identity, error, attempts, done: JSON.parse(done) as string[], created };
}
