// The baseline: what a good programmer writes by hand for one table, with Fastify, better-sqlite3 and ws.
// Prepared statements, WAL, no logger, bodies checked and answers written by Fastify's schemas, one frame made per write.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import Database from 'better-sqlite3';
import Fastify from 'fastify';
import { startLists } from './handwritten-lists.mjs';
import { startLive } from './handwritten-live.mjs';

const { values: args } = parseArgs({
  options: {
    port: { type: 'string' },
    file: { type: 'string' },
    synchronous: { type: 'string', default: 'FULL' },
    messages: { type: 'string', default: '0' },
    notes: { type: 'string', default: '0' },
    products: { type: 'string', default: '0' },
    titles: { type: 'string', default: '500' },
    // Answers writes of messages without storing them: what HTTP alone costs.
    bare: { type: 'boolean', default: false },
    // Sends the frames of one turn of the event loop to each socket with one write.
    batch: { type: 'boolean', default: false },
    // Keeps each write in a log besides, in the same transaction: what a stream that can be resumed is read from.
    log: { type: 'boolean', default: false },
  },
});

const db = new Database(args.file);
db.pragma('journal_mode = WAL');
db.pragma(`synchronous = ${args.synchronous}`);
db.exec(`
  CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, title TEXT NOT NULL, content TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS note (id TEXT PRIMARY KEY, title TEXT NOT NULL, content TEXT NOT NULL);
  CREATE INDEX IF NOT EXISTS note_title ON note (title, id);
  CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, op TEXT NOT NULL, id TEXT NOT NULL, data TEXT NOT NULL);
`);
const insert = db.prepare('INSERT INTO message (id, title, content) VALUES (?, ?, ?)');
const upsert = db.prepare(
  'INSERT INTO message (id, title, content) VALUES (?, ?, ?) ' +
    'ON CONFLICT (id) DO UPDATE SET title = excluded.title, content = excluded.content',
);
const merge = db.prepare(
  'UPDATE message SET title = coalesce(?, title), content = coalesce(?, content) WHERE id = ? RETURNING id, title, content',
);
const append = db.prepare('INSERT INTO log (op, id, data) VALUES (?, ?, ?)');
const read = db.prepare('SELECT id, title, content FROM message WHERE id = ?');
const list = db.prepare('SELECT id, title, content FROM note WHERE title = ? ORDER BY id LIMIT ?');
const store = args.log ? db.transaction(storeWithEntry) : (_op, write) => write();
seed(Number(args.messages), Number(args.notes), Number(args.titles));

const string = { type: 'string' };
const record = { type: 'object', properties: { id: string, title: string, content: string } };
const created = {
  body: { ...record, required: ['id', 'title', 'content'], additionalProperties: false },
  response: { 201: record },
};
const replaced = {
  body: { ...record, required: ['title', 'content'], additionalProperties: false },
  response: { 200: record },
};
const merged = { body: { ...record, additionalProperties: false }, response: { 200: record } };
const found = {
  querystring: { type: 'object', properties: { title: string, limit: { type: 'integer', minimum: 1, maximum: 1000 } } },
  response: { 200: { type: 'array', items: record } },
};

// The defaults of Fastify's validator would drop unknown fields and convert types; a careful handler refuses them.
const app = Fastify({ logger: false, ajv: { customOptions: { removeAdditional: false, coerceTypes: true } } });
const live = startLive(app, { batch: args.batch });
startLists(app, db, Number(args.products));

app.get('/my-app/Message/:id', { schema: { response: { 200: record } } }, (request, reply) => {
  const row = read.get(request.params.id);
  return reply.code(row === undefined ? 404 : 200).send(row ?? { error: 'not found' });
});
app.get('/my-app/Note', { schema: found }, (request, reply) => {
  reply.send(list.all(request.query.title, request.query.limit ?? 100));
});
app.post('/my-app/Message', { schema: created }, (request, reply) => {
  const { id, title, content } = request.body;
  try {
    if (!args.bare) store('create', () => insert.run(id, title, content) && request.body);
  } catch (error) {
    if (error.code !== 'SQLITE_CONSTRAINT_PRIMARYKEY') throw error;
    return reply.code(409).send({ error: 'id exists' });
  }
  live.publish({ id, title, content });
  return reply.code(201).header('location', `/my-app/Message/${id}`).send({ id, title, content });
});
app.put('/my-app/Message/:id', { schema: replaced }, (request, reply) => {
  const after = { id: request.params.id, title: request.body.title, content: request.body.content };
  if (!args.bare) store('update', () => upsert.run(after.id, after.title, after.content) && after);
  live.publish(after);
  reply.send(after);
});
app.patch('/my-app/Message/:id', { schema: merged }, (request, reply) => {
  const { title = null, content = null } = request.body;
  const { id } = request.params;
  // Not `get`: SQLite makes checkpoints when a statement has ended, and its log would grow without end.
  const change = () => merge.all(title, content, id)[0];
  const after = args.bare ? { id, title: title ?? 'Hello', content } : store('update', change);
  if (after === undefined) return reply.code(404).send({ error: 'not found' });
  live.publish(after);
  return reply.send(after);
});

// The same measure of the event loop that the server under test gives in its /metrics, since the last time it was asked.
const delay = monitorEventLoopDelay({ resolution: 10 });
delay.enable();
app.get('/health/ready', (_request, reply) => reply.send({ status: 'ok' }));
app.get('/health/live', (_request, reply) => reply.send({ status: 'ok' }));
app.get('/metrics', (_request, reply) => {
  const seconds = delay.percentile(99) / 1e9;
  delay.reset();
  reply.type('text/plain').send(`nodejs_eventloop_lag_p99_seconds ${seconds}\n`);
});

await app.listen({ host: '127.0.0.1', port: Number(args.port) });
process.on('SIGTERM', () => process.exit(0));

/** `write` gives the record after it, or undefined. */
function storeWithEntry(op, write) {
  const after = write();
  if (after !== undefined) append.run(op, after.id, JSON.stringify(after));
  return after;
}

function seed(messages, notes, titles) {
  const addNote = db.prepare('INSERT OR IGNORE INTO note (id, title, content) VALUES (?, ?, ?)');
  db.transaction(() => {
    for (let i = 0; i < messages; i++) upsert.run(`msg-${i}`, 'Hello', `seed ${i}`);
    for (let i = 0; i < notes; i++) addNote.run(`note-${i}`, `title-${i % titles}`, `seed ${i}`.padEnd(100, '.'));
  })();
}
