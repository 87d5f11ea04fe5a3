// The baseline on PostgreSQL: what a good programmer writes by hand for one table, with Fastify and a pool of `pg`.
import { parseArgs } from 'node:util';
import Fastify from 'fastify';
import pg from 'pg';

const { values: args } = parseArgs({
  options: {
    port: { type: 'string' },
    url: { type: 'string' },
    // statement: one statement that commits itself; transaction: BEGIN, the statement, COMMIT; logged: with an entry of a
    // log besides, as streams need that are resumed; ordered: with the entries in the order of the commits.
    writes: { type: 'string', default: 'transaction' },
    messages: { type: 'string', default: '0' },
    notes: { type: 'string', default: '0' },
    titles: { type: 'string', default: '500' },
  },
});

const ORDER = 4711;
const pool = new pg.Pool({ connectionString: args.url, max: 10 });
await pool.query(`
  CREATE TABLE IF NOT EXISTS message (id text PRIMARY KEY, title text NOT NULL, content text NOT NULL);
  CREATE TABLE IF NOT EXISTS note (id text PRIMARY KEY, title text NOT NULL, content text NOT NULL);
  CREATE INDEX IF NOT EXISTS note_title ON note (title, id);
  CREATE TABLE IF NOT EXISTS log (seq bigserial PRIMARY KEY, op text NOT NULL, id text NOT NULL, data text NOT NULL);
`);
await pool.query(
  `INSERT INTO message SELECT 'msg-' || n, 'Hello', 'seed ' || n FROM generate_series(0, $1::int - 1) AS n ON CONFLICT DO NOTHING`,
  [args.messages],
);
await pool.query(
  `INSERT INTO note SELECT 'note-' || n, 'title-' || n % $2::int, rpad('seed ' || n, 100, '.') FROM generate_series(0, $1::int - 1) AS n ON CONFLICT DO NOTHING`,
  [args.notes, args.titles],
);

const UPSERT = {
  name: 'upsert',
  text: 'INSERT INTO message (id, title, content) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET title = excluded.title, content = excluded.content RETURNING id, title, content',
};
const APPEND = { name: 'append', text: "INSERT INTO log (op, id, data) VALUES ('update', $1, $2)" };
const READ = { name: 'read', text: 'SELECT id, title, content FROM message WHERE id = $1' };
const LIST = { name: 'list', text: 'SELECT id, title, content FROM note WHERE title = $1 ORDER BY id LIMIT $2' };

const string = { type: 'string' };
const record = { type: 'object', properties: { id: string, title: string, content: string } };
const replaced = {
  body: { ...record, required: ['title', 'content'], additionalProperties: false },
  response: { 200: record },
};
const found = {
  querystring: { type: 'object', properties: { title: string, limit: { type: 'integer', minimum: 1, maximum: 1000 } } },
  response: { 200: { type: 'array', items: record } },
};

const app = Fastify({ logger: false, ajv: { customOptions: { removeAdditional: false, coerceTypes: true } } });
app.get('/my-app/Message/:id', { schema: { response: { 200: record } } }, async (request, reply) => {
  const { rows } = await pool.query({ ...READ, values: [request.params.id] });
  return reply.code(rows.length === 0 ? 404 : 200).send(rows[0] ?? { error: 'not found' });
});
app.get('/my-app/Note', { schema: found }, async (request) => {
  const { title, limit = 100 } = request.query;
  return (await pool.query({ ...LIST, values: [title, limit] })).rows;
});
app.put('/my-app/Message/:id', { schema: replaced }, async (request) => {
  const { title, content } = request.body;
  return write([request.params.id, title, content]);
});
app.get('/health/ready', (_request, reply) => reply.send({ status: 'ok' }));
app.get('/health/live', (_request, reply) => reply.send({ status: 'ok' }));

await app.listen({ host: '127.0.0.1', port: Number(args.port) });
process.on('SIGTERM', () => process.exit(0));

async function write(values) {
  if (args.writes === 'statement') return (await pool.query({ ...UPSERT, values })).rows[0];
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    const [after] = (await client.query({ ...UPSERT, values })).rows;
    // Held until the COMMIT, so that the next entry gets its number after this one can be seen.
    if (args.writes === 'ordered') await client.query('SELECT pg_advisory_xact_lock($1)', [ORDER]);
    if (args.writes !== 'transaction') await client.query({ ...APPEND, values: [after.id, JSON.stringify(after)] });
    await client.query('COMMIT');
    return after;
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  } finally {
    client.release();
  }
}
