import { expect, test } from 'vitest';
import { BASE_CONFIG, startServer } from '../support/app.ts';
import {
  ACCOUNTS,
  Bank,
  BankView,
  END,
  follow,
  OPENING,
  overSse,
  overV1,
  overWebSocket,
  readLists,
  transferByRest,
  transferBySocket,
  transferByV1,
} from '../support/bank.ts';
import { until } from '../support/wait.ts';

const SCHEMA = `
type Account @table @export(public: [read, create, update, subscribe]) @check(rule: "balance >= 0", message: "must not be less than nothing") {
  id: ID! @primaryKey
  balance: Int!
}
type Entry @table @export(public: [read, create, subscribe]) { id: ID! @primaryKey from: ID! to: ID! amount: Int! }`;
const CONFIG = `${BASE_CONFIG}sse: true
limits: {messages_per_second: 100000, messages_burst: 100000, anonymous_requests_per_second: 0}
`;
/** Crashes of the server. Twenty take minutes, so that the suite has some of them and a release all: BANK_KILLS=20. */
const KILLS = Number(process.env.BANK_KILLS ?? 5);
/** Transfers between two crashes. */
const TRANSFERS = 60;

test('8 writers move money through crashes: the sum is constant in every read, and for every subscriber at every mark', {
  timeout: 120_000 + KILLS * 60_000,
}, async () => {
  await using server = await startServer({ schema: SCHEMA, config: CONFIG });
  for (let each = 0; each < ACCOUNTS; each++) await server.put(`Account/a${each}`, { balance: OPENING });
  const bank = new Bank(server);
  const writers = [0, 1].flatMap((writer) => [
    transferByRest(bank, writer),
    transferBySocket(bank, 2 + writer),
    transferByV1(bank, 4 + writer, writer === 0 ? 'json' : 'cbor'),
    transferByV1(bank, 6 + writer, 'sse'),
  ]);
  const subscribers = [
    follow(bank, new BankView(bank, 'v1'), overV1('json', 'Account')),
    follow(bank, new BankView(bank, 'v1 window'), overV1('msgpack', 'Account?sort=-balance&limit=20')),
    follow(bank, new BankView(bank, 'v1 stream'), overV1('sse', 'Account?balance=ge=0')),
    follow(bank, new BankView(bank, 'WebSocket'), overWebSocket),
    follow(bank, new BankView(bank, 'event stream'), overSse),
  ];
  const reader = readLists(bank);
  for (let kills = 0; kills < KILLS; kills++) {
    const enough = bank.done + TRANSFERS;
    await until(
      async () => bank.done,
      (done) => done >= enough || bank.wrongs.length > 0,
      { timeout: 60_000, what: 'committed transfers before the kill' },
    );
    await server.kill();
    await server.restart();
  }
  bank.isClosing = true;
  await Promise.all([...writers, reader]);
  await server.put(`Account/${END}`, { balance: 0 });
  await Promise.all(subscribers);
  expect(bank.wrongs.slice(0, 20)).toEqual([]);
  // Every transfer that was acknowledged has its entry, and no other one has.
  const { records } = await server.ask('GET', `Entry?aggregate=count`);
  expect(JSON.stringify(records)).toContain(`:${bank.done}`);
  expect(bank.refused).toBeGreaterThan(0);
  expect(bank.reads).toBeGreaterThan(0);
  expect(bank.marks).toBeGreaterThan(KILLS * TRANSFERS);
  console.log(
    `${KILLS} kills, ${bank.done} transfers, ${bank.refused} refused, ${bank.reads} reads, ${bank.marks} marks`,
  );
});
