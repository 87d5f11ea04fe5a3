// The lists of the baseline: one prepared statement for each, its rows written by JSON.stringify.
import { AUTHORS, makeAuthor, makeProduct } from './products.mjs';

export function startLists(app, db, products) {
  db.exec(`
    CREATE TABLE IF NOT EXISTS author (id TEXT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS product (
      id TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, shelf TEXT NOT NULL, price INTEGER NOT NULL, authorId TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS product_kind ON product (kind, id);
    CREATE INDEX IF NOT EXISTS product_shelf ON product (shelf, price);
  `);
  seed(db, products);
  const listBy = (field) =>
    db.prepare(
      `SELECT id, name, kind, shelf, price, authorId FROM product WHERE ${field} = ? ORDER BY price DESC, id LIMIT ?`,
    );
  const [list, ranked] = [listBy('kind'), listBy('shelf')];
  const whole = db.prepare('SELECT id, name, kind, shelf, price, authorId FROM product ORDER BY id LIMIT ?');
  const nested = db.prepare(
    'SELECT p.id, p.name, a.name AS author FROM product p LEFT JOIN author a ON a.id = p.authorId ' +
      'WHERE p.kind = ? ORDER BY p.price DESC, p.id LIMIT ?',
  );
  app.get('/my-app/Product', (request, reply) => {
    const { kind, shelf, limit, select } = request.query;
    reply.type('application/json; charset=utf-8');
    if (shelf !== undefined) return reply.send(JSON.stringify(ranked.all(shelf, Number(limit))));
    if (kind === undefined) return reply.send(JSON.stringify(whole.all(Number(limit))));
    if (select === undefined) return reply.send(JSON.stringify(list.all(kind, Number(limit))));
    const rows = nested.all(kind, Number(limit));
    const records = rows.map(({ id, name, author }) => ({
      id,
      name,
      author: author === null ? null : { name: author },
    }));
    return reply.send(JSON.stringify(records));
  });
}

function seed(db, products) {
  const addAuthor = db.prepare('INSERT OR IGNORE INTO author (id, name) VALUES (?, ?)');
  const add = db.prepare(
    'INSERT OR IGNORE INTO product (id, name, kind, shelf, price, authorId) VALUES (?, ?, ?, ?, ?, ?)',
  );
  db.transaction(() => {
    for (let i = 0; products > 0 && i < AUTHORS; i++) addAuthor.run(makeAuthor(i).id, makeAuthor(i).name);
    for (let i = 0; i < products; i++) {
      const { id, name, kind, shelf, price, authorId } = makeProduct(i);
      add.run(id, name, kind, shelf, price, authorId);
    }
  })();
}
