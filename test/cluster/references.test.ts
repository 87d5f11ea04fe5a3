import { describe, expect, test } from 'vitest';
import { ask } from '../support/http.ts';
import { reason, unreachable } from '../support/postgres/server.ts';
import { Cluster, type ClusterNode } from './nodes.ts';

const ROUNDS = 40;
const WRITERS = 3;

const schemaWith = (onDelete: string) => `
type Board @table(database: "data") @export { id: ID! @primaryKey }
type Card @table(database: "data") @export {
  id: ID! @primaryKey
  boardId: ID @indexed
  board: Board @relationship(from: "boardId", onDelete: ${onDelete})
}
`;

/** Status codes that a child and its parent's deletion may have when they meet. */
const EXPECTED = {
  // The second one is refused: the child because its parent is gone, or the deletion because of the child.
  RESTRICT: { child: [201, 400], removal: [204, 409] },
  CASCADE: { child: [201, 400], removal: [204] },
  SET_NULL: { child: [201, 400], removal: [204] },
} as const;

describe.skipIf(unreachable !== undefined)(`two servers that write to one parent${reason}`, () => {
  test.each(['RESTRICT', 'CASCADE', 'SET_NULL'] as const)(
    'leave no key without a record: one deletes it while others refer to it (%s)',
    { timeout: 180_000 },
    async (onDelete) => {
      await using cluster = await Cluster.start(2, { schema: schemaWith(onDelete) });
      const [one, other] = cluster.nodes as [ClusterNode, ClusterNode];
      const outcomes = new Set<string>();
      for (let round = 0; round < ROUNDS; round++) {
        const board = `b${round}`;
        expect((await ask('PUT', cluster.url(one, `Board/${board}`), { json: {} })).status).toBe(201);
        const refer = (index: number) =>
          ask('PUT', cluster.url(other, `Card/${board}-${index}`), { json: { boardId: board } });
        const remove = () => ask('DELETE', cluster.url(one, `Board/${board}`));
        // Both orders: the deletion sets out before the children, between them, or after them.
        const position = round % (WRITERS + 1);
        const steps = Array.from({ length: WRITERS }, (_, index) => () => refer(index));
        steps.splice(position, 0, remove);
        // In the first rounds one after the other, so that both orders are there whatever the machine does.
        const answers = round <= WRITERS ? await inTurn(steps) : await Promise.all(steps.map((step) => step()));
        const removal = answers[position]?.status as number;
        const children = answers.filter((_, index) => index !== position).map(({ status }) => status);
        expect(EXPECTED[onDelete].removal).toContain(removal);
        for (const status of children) expect(EXPECTED[onDelete].child).toContain(status);
        outcomes.add(`${removal} ${children.every((status) => status === 201)}`);
      }
      const boards = await read(cluster, one, 'Board');
      const cards = await read(cluster, one, 'Card');
      const known = new Set(boards.map(({ id }) => id));
      expect(cards.filter(({ boardId }) => boardId !== null && !known.has(boardId))).toEqual([]);
      if (onDelete !== 'RESTRICT') expect(boards).toEqual([]);
      expect(outcomes.size).toBeGreaterThan(1);
      expect(await read(cluster, other, 'Card')).toEqual(cards);
    },
  );
});

async function inTurn<T>(steps: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = [];
  for (const step of steps) results.push(await step());
  return results;
}

async function read(cluster: Cluster, node: ClusterNode, table: string): Promise<readonly Record<string, unknown>[]> {
  const head = (await ask('GET', cluster.url(node, `${table}?limit=1`))).headers.get('x-position') ?? '0';
  const answer = await ask('GET', cluster.url(node, `${table}?limit=1000&sort=id`), {
    headers: { 'x-min-position': head },
  });
  return answer.records;
}
