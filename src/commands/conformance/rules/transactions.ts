import { isFor, type Message } from '../connection.ts';
import { type ConformanceRule, codeOf, expect, rule, type Scene } from './rule.ts';

/** Sends steps that put records of the check, and returns the answer. */
function transact(scene: Scene, names: readonly string[], more: readonly Message[] = []): Promise<Message> {
  const steps = names.map((name) => scene.stepOf(name));
  return scene.peer.ask(`transaction-${names.join('-')}`, { type: 'transaction', steps: [...steps, ...more] });
}

/** Transactions, and what subscribers receive of them. */
export const TRANSACTIONS: readonly ConformanceRule[] = [
  rule('7.6', 'a transaction is acknowledged with the results of its steps', async (scene) => {
    const ack = await transact(scene, ['a', 'b']);
    expect(ack.type === 'ack' && typeof ack.seq === 'string', 'it was not acknowledged', ack);
    const results = (Array.isArray(ack.results) ? ack.results : []) as Message[];
    const ids = results.map(({ id }) => id);
    expect(ids.join() === [scene.key('a'), scene.key('b')].join(), 'the results are wrong', ack);
    expect(results[1]?.seq === ack.seq, 'its position is not that of the last change', ack);
  }),
  rule('7.6', 'a transaction is refused whole, with the step in the problem', async (scene) => {
    const { table } = scene.subject;
    await scene.peer.subscribe(1, scene.query, { snapshot: false });
    const wrong = { op: 'check', table, id: scene.key('none'), if_seq: '1' };
    const answer = await transact(scene, ['a'], [wrong]);
    expect(codeOf(answer) === 'PRECONDITION_FAILED', 'it was not refused', answer);
    expect((answer.problem as Message).step === 1, 'the problem does not name the step', answer);
    await scene.peer.quiet();
    expect(
      scene.peer.of(1).every(({ type }) => type === 'ready'),
      'a step was carried out',
      scene.peer.of(1),
    );
  }),
  rule('7.3', 'messages of a transaction have its mark, and all but the last have more', async (scene) => {
    const { peer } = scene;
    await peer.subscribe(1, scene.query, { snapshot: false });
    const ack = await transact(scene, ['a', 'b', 'c']);
    await peer.received('the last', 1, ({ id }) => id === scene.key('c'));
    const changes = peer.of(1).filter(({ type }) => type === 'update');
    expect(changes.length === 3 && changes.every(({ tx }) => tx === ack.seq), 'the marks are wrong', changes);
    const more = changes.map((change) => change.more === true);
    expect(more.join() === 'true,true,false', 'more is not in all messages but the last', changes);
  }),
  rule('7.3', 'a subscription resumes before a transaction with all of it', async (scene) => {
    const { peer } = scene;
    const [ready] = await peer.subscribe(1, scene.query, { snapshot: false });
    await transact(scene, ['a', 'b']);
    await peer.received('the last', 1, ({ id }) => id === scene.key('b'));
    const messages = await peer.subscribe(2, scene.query, { since: ready?.seq });
    const changes = messages.slice(0, -1).map(({ id, more }) => [id, more === true].join());
    const expected = [`${scene.key('a')},true`, `${scene.key('b')},false`];
    expect(changes.join() === expected.join(), 'it is not the whole transaction', messages);
  }),
  rule('7.3', 'a commit follows when all subscriptions have their messages of a transaction', async (scene) => {
    const { peer } = scene;
    const { table } = scene.subject;
    await peer.subscribe('list', scene.query, { snapshot: false });
    await peer.subscribe('record', `${table}/${encodeURIComponent(scene.key('a'))}`, { snapshot: false });
    const ack = await transact(scene, ['a', 'b', 'c']);
    const isCommit = ({ type, tx }: Message) => type === 'commit' && tx === ack.seq;
    while (!peer.messages.some(isCommit)) await peer.next('commit');
    const before = peer.messages.slice(0, peer.messages.findIndex(isCommit)).filter(({ tx }) => tx === ack.seq);
    const countOf = (id: string) => before.filter((message) => isFor(message, id)).length;
    expect(countOf('list') === 3 && countOf('record') === 1, 'it came before the last message', before);
    expect(
      before.every(({ open }) => open === true),
      'a message of it has no open',
      before,
    );
    await peer.quiet();
    expect(peer.messages.filter(({ tx }) => tx === ack.seq).at(-1)?.type === 'commit', 'a message follows it');
  }),
  rule('7.3', 'a transaction with open is committed when a subscription resumes in it', async (scene) => {
    const { peer } = scene;
    const [ready] = await peer.subscribe(1, scene.query, { snapshot: false });
    const ack = await transact(scene, ['a', 'b']);
    await peer.received('the last', 1, ({ id }) => id === scene.key('b'));
    const [first, second] = await peer.subscribe(2, scene.query, { since: ready?.seq });
    expect(first?.open === true && second?.open === true, 'its messages have no open', [first, second]);
    await peer.received('commit', 2, ({ type }) => type === 'ready');
    while (!peer.messages.some(({ type, tx }) => type === 'commit' && tx === ack.seq)) await peer.next('commit');
  }),
  rule('7.3', 'a change that is made alone has neither tx, more nor open', async (scene) => {
    for (const id of [1, 2]) await scene.peer.subscribe(id, scene.query, { snapshot: false });
    await scene.put('a');
    const { tx, more, open } = await scene.peer.change(1);
    expect(tx === undefined && more === undefined && open === undefined, 'it has', { tx, more, open });
  }),
];
