import { setTimeout as wait } from 'node:timers/promises';
import type { TestServer } from './app.ts';
import type { ControlFrame } from './frames.ts';
import { WsClient } from './ws-client.ts';

/** What a key was answered: the id that the server made, and the seq. */
export interface KeyAnswer {
  readonly id: unknown;
  readonly seq: number;
}

/** What clients that never give up have sent and been told. */
export class KeyLedger {
  readonly answers = new Map<string, KeyAnswer>();
  /** Keys that were answered differently the second time. */
  readonly contradictions: unknown[] = [];
  /** Answers that were given again, because the first one was lost or for the sake of it. */
  replayed = 0;
  stopped = false;

  take(key: string, answer: KeyAnswer, replayed: boolean): void {
    const { id, seq } = this.answers.get(key) ?? answer;
    if (id !== answer.id || seq !== answer.seq) this.contradictions.push({ key, first: { id, seq }, answer });
    this.answers.set(key, answer);
    if (replayed) this.replayed++;
  }
}

const PAUSE = 20;
const WINDOW = 5;
const GIVE_UP = 60_000;

/** Creates records without an id, each with an Idempotency-Key that is its title, and every third one twice. */
export async function writeWithKeys(server: TestServer, path: string, ledger: KeyLedger): Promise<void> {
  for (let number = 0; !ledger.stopped; number++) {
    const key = `rest-${number}`;
    for (let time = 0; time <= Number(number % 3 === 0); time++) await createOnce(server, path, key, ledger);
  }
}

/** Sends until it is answered, however often the server goes away meanwhile. */
async function createOnce(server: TestServer, path: string, key: string, ledger: KeyLedger): Promise<void> {
  const deadline = Date.now() + GIVE_UP;
  while (Date.now() < deadline) {
    try {
      const answer = await server.ask('POST', path, { json: { title: key }, headers: { 'idempotency-key': key } });
      if (answer.status !== 201) throw new Error(`${key}: ${answer.status} ${answer.text}`);
      const seq = Number(answer.headers.get('etag')?.replaceAll('"', ''));
      ledger.take(key, { id: answer.record.id, seq }, answer.headers.get('idempotency-replayed') === 'true');
      return;
    } catch (error) {
      // What fetch throws when the connection is refused or breaks.
      if (!(error instanceof TypeError)) throw error;
      await wait(PAUSE);
    }
  }
  throw new Error(`${key} was not answered within ${GIVE_UP} ms`);
}

/** The same over WebSockets of one client: after every reconnect it sends again what was not acknowledged. */
export async function writeWithRefs(server: TestServer, path: string, ledger: KeyLedger): Promise<void> {
  const pending: string[] = [];
  let number = 0;
  const deadline = () => Date.now() + GIVE_UP;
  let until = deadline();
  while (!ledger.stopped || pending.length > 0) {
    try {
      using client = await WsClient.open(server.wsUrl(`${path}?client=retrying&title==nobody`));
      while (!ledger.stopped || pending.length > 0) {
        while (!ledger.stopped && pending.length < WINDOW) pending.push(`ws-${number++}`);
        await sendWindow(client, pending, ledger);
        until = deadline();
      }
    } catch (error) {
      if (Date.now() > until) throw error;
      await wait(PAUSE);
    }
  }
}

async function sendWindow(client: WsClient, pending: string[], ledger: KeyLedger): Promise<void> {
  for (const ref of pending) client.send({ message_type: 'Update', data: { title: ref }, ref });
  for (const ref of [...pending]) {
    const answer = await client.controls.next((frame) => frame.ref === ref);
    if (answer.type !== 'ack') ledger.contradictions.push(answer);
    ledger.take(ref, answerOf(answer), answer.replayed === true);
    pending.splice(pending.indexOf(ref), 1);
  }
}

function answerOf({ id, seq }: ControlFrame): KeyAnswer {
  return { id, seq: Number(seq) };
}
