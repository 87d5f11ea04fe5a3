import { isFor, type Message } from '../connection.ts';
import { acknowledged, type ConformanceRule, expect, rule } from './rule.ts';

/** Snapshots, changes, positions and credit. */
export const SUBSCRIPTIONS: readonly ConformanceRule[] = [
  rule('7.4', 'a snapshot has the stored records, then ready', async (scene) => {
    acknowledged(await scene.put('a'));
    const [page, ready, ...more] = await scene.peer.subscribe(1, scene.query);
    expect(page?.type === 'page' && Array.isArray(page.records), 'there is no page', page);
    const [record] = page.records as Message[];
    expect(record?.id === scene.key('a') && typeof record.data === 'object', 'the record is not in it', page);
    expect(ready?.type === 'ready' && more.length === 0, 'ready does not follow', ready);
  }),
  rule('7.3', 'positions are strings', async (scene) => {
    const ack = acknowledged(await scene.put('a'));
    const [page, ready] = await scene.peer.subscribe(1, scene.query);
    const [record] = (page?.records ?? []) as Message[];
    const seq = record?.seq;
    const all = [ack.seq, ready?.seq, seq];
    expect(
      all.every((position) => typeof position === 'string'),
      'they are not',
      all,
    );
    expect(seq === ack.seq, 'the record has another seq than its acknowledgement', all);
  }),
  rule('7.4', 'changes follow, with op, id, seq, time and data', async (scene) => {
    await scene.peer.subscribe(1, scene.query);
    const created = acknowledged(await scene.put('a'));
    const message = await scene.peer.change(1);
    expect(message.type === 'update' && message.op === 'create', 'it is not a create', message);
    expect(message.id === scene.key('a') && message.seq === created.seq, 'id or seq is wrong', message);
    expect(!Number.isNaN(Date.parse(String(message.time))), 'time is not ISO 8601', message.time);
    expect((message.data as Message)[scene.subject.field] === scene.mark, 'data is not the record', message.data);
  }),
  rule('7.4', 'a record that leaves the conditions is a delete with the reason filter', async (scene) => {
    acknowledged(await scene.put('a'));
    await scene.peer.subscribe(1, scene.query);
    acknowledged(await scene.put('a', { text: 'elsewhere' }));
    const message = await scene.peer.change(1);
    expect(message.type === 'delete' && message.reason === 'filter', 'it is another', message);
  }),
  rule('7.4', 'a removed record is a delete', async (scene) => {
    acknowledged(await scene.put('a'));
    await scene.peer.subscribe(1, scene.query);
    acknowledged(await scene.remove('a'));
    const message = await scene.peer.change(1);
    expect(message.type === 'delete' && message.id === scene.key('a'), 'it is another', message);
    expect(message.reason === undefined, 'it has a reason', message);
  }),
  rule('7.4', 'a record is subscribed to by its address', async (scene) => {
    const { table } = scene.subject;
    await scene.peer.subscribe(1, `${table}/${encodeURIComponent(scene.key('a'))}`);
    acknowledged(await scene.put('b'));
    acknowledged(await scene.put('a'));
    const message = await scene.peer.change(1);
    expect(message.id === scene.key('a'), 'it is of another record', message);
  }),
  rule('7.4', 'without a snapshot only ready comes', async (scene) => {
    acknowledged(await scene.put('a'));
    const messages = await scene.peer.subscribe(1, scene.query, { snapshot: false });
    expect(messages.length === 1, 'more came', messages);
  }),
  rule('7.4', 'a position resumes with exactly the changes after it', async (scene) => {
    const { seq } = acknowledged(await scene.put('a'));
    acknowledged(await scene.put('b'));
    acknowledged(await scene.put('c'));
    const messages = await scene.peer.subscribe(1, scene.query, { since: seq });
    const ids = messages.slice(0, -1).map(({ type, id }) => (type === 'update' ? id : type));
    expect(ids.join() === [scene.key('b'), scene.key('c')].join(), 'others came', messages);
  }),
  rule('7.4', 'a position that cannot be resumed is a reset, then the whole state', async (scene) => {
    acknowledged(await scene.put('a'));
    const messages = await scene.peer.subscribe(1, scene.query, { since: '1' });
    const types = messages.map(({ type }) => type);
    expect(types.join() === 'reset,page,ready', 'the order is wrong', types);
    expect(typeof messages[0]?.reason === 'string', 'the reset has no reason', messages[0]);
  }),
  rule('7.3', 'a change is sent once for all subscriptions that receive it', async (scene) => {
    for (const id of [1, 'two']) await scene.peer.subscribe(id, scene.query, { snapshot: false });
    acknowledged(await scene.put('a'));
    await scene.peer.quiet();
    const changes = scene.peer.messages.filter(({ type }) => type === 'update');
    expect(changes.length === 1, 'it was sent several times, or not at all', changes);
    expect(isFor(changes[0] as Message, 1) && isFor(changes[0] as Message, 'two'), 'an id is missing', changes);
  }),
  rule('7.4', 'nothing comes after unsubscribed', async (scene) => {
    const { peer } = scene;
    await peer.subscribe(1, scene.query);
    peer.send({ type: 'unsubscribe', id: 1 });
    await peer.next('unsubscribed', ({ type, id }) => type === 'unsubscribed' && id === 1);
    const before = peer.of(1).length;
    acknowledged(await scene.put('a'));
    await peer.quiet();
    expect(peer.of(1).length === before, 'something came', peer.of(1).at(-1));
  }),
  rule('7.4', 'a subscribe with an id in use replaces the subscription', async (scene) => {
    const { table, field } = scene.subject;
    await scene.peer.subscribe(1, scene.query, { snapshot: false });
    await scene.peer.subscribe(1, `${table}?${field}==${scene.key('none')}`, { snapshot: false });
    acknowledged(await scene.put('a'));
    await scene.peer.quiet();
    expect(
      scene.peer.of(1).every(({ type }) => type === 'ready'),
      'the earlier one continues',
      scene.peer.of(1),
    );
  }),
  rule('7.5', 'no more comes than the credit, and the rest with more credit', async (scene) => {
    const { peer } = scene;
    await peer.subscribe(1, scene.query, { snapshot: false, credit: { frames: 2 } });
    for (const name of ['a', 'b', 'c', 'd']) acknowledged(await scene.put(name));
    await peer.quiet();
    const idsOf = () => peer.of(1).flatMap(({ type, id }) => (type === 'update' ? [id] : []));
    expect(idsOf().length === 2, 'the number is wrong', idsOf());
    peer.send({ type: 'credit', id: 1, frames: 10 });
    await peer.next('the rest', (message) => isFor(message, 1) && message.id === scene.key('d'));
    const all = ['a', 'b', 'c', 'd'].map((name) => scene.key(name));
    expect(idsOf().join() === all.join(), 'they are not in order, or not complete', idsOf());
  }),
];
