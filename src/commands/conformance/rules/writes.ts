import { randomUUID } from 'node:crypto';
import { ConformancePeer, type Message } from '../connection.ts';
import { acknowledged, type ConformanceRule, codeOf, expect, rule } from './rule.ts';

/** Writes, their conditions and repetitions, and errors. */
export const WRITES: readonly ConformanceRule[] = [
  rule('7.6', 'a write is acknowledged with ref, key and seq', async (scene) => {
    const ack = acknowledged(await scene.put('a'));
    expect(ack.key === scene.key('a') && typeof ack.seq === 'string' && ack.changed === true, 'it is not', ack);
    expect(acknowledged(await scene.put('a')).changed === false, 'an equal write counts as a change');
  }),
  rule('7.6', 'if_seq of another state is PRECONDITION_FAILED', async (scene) => {
    const { seq } = acknowledged(await scene.put('a'));
    expect(codeOf(await scene.put('a', { if_seq: null })) === 'PRECONDITION_FAILED', 'null was accepted');
    expect(codeOf(await scene.put('a', { text: 'x', if_seq: '1' })) === 'PRECONDITION_FAILED', 'another was accepted');
    acknowledged(await scene.put('a', { text: 'x', if_seq: seq }));
  }),
  {
    section: '7.6',
    title: 'a ref of a client with an id is carried out once',
    async run(subject) {
      const url = `${subject.url}?client=${randomUUID()}`;
      const [one, two] = [
        await ConformancePeer.open({ ...subject, url }),
        await ConformancePeer.open({ ...subject, url }),
      ];
      try {
        const key = randomUUID();
        const data = { ...subject.data, [subject.field]: 'once' };
        const write = { type: 'write', op: 'put', table: subject.table, key, data };
        const first = acknowledged(await one.ask('once', write));
        const again = acknowledged(await two.ask('once', write));
        expect(again.replayed === true && again.seq === first.seq, 'it was done again', again);
        await two.ask('remove', { type: 'write', op: 'delete', table: subject.table, key });
      } finally {
        one.close();
        two.close();
      }
    },
  },
  rule('7.8', 'an error has the id or the ref, and a problem', async ({ peer }) => {
    peer.send({ type: 'subscribe', id: 'e', query: 'no-such-table' });
    const error = await peer.next('the error', ({ type }) => type === 'error');
    const { type, status, code, detail } = (error.problem ?? {}) as Message;
    expect(error.id === 'e' && code === 'NOT_FOUND' && status === 404, 'it is another', error);
    expect(typeof type === 'string' && typeof detail === 'string', 'the problem is not complete', error);
    const refused = await peer.ask('r', { type: 'write', op: 'put', table: 'no-such-table', data: {} });
    expect(refused.type === 'error' && refused.ref === 'r', 'the error of a write has no ref', refused);
  }),
];
