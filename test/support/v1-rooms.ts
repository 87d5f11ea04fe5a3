import { onTestFinished } from 'vitest';
import type { TestServer } from './app.ts';
import type { Json } from './frames.ts';
import { V1Client, type V1Options } from './v1-client.ts';

/** A connection of protocol v1, closed at the end of the test. */
export async function openV1({ origin }: Pick<TestServer, 'origin'>, options: V1Options = {}): Promise<V1Client> {
  const client = await V1Client.open(`${origin}/my-app`, options);
  onTestFinished(() => client[Symbol.dispose]());
  return client;
}

/** Subscribes to a room under its own name, and resolves with `subscribed` or `error`. */
export function askToJoinV1(client: V1Client, room: string, more: Json = {}): Promise<Json> {
  client.send({ type: 'subscribe', id: room, connector: 'ws', room, ...more });
  return client.messages.next(({ type, id }) => id === room && (type === 'subscribed' || type === 'error'));
}

/** Sends a message to flows, and resolves with its answer. */
export function sendV1(client: V1Client, ref: string | number, data: Json, more: Json = {}): Promise<Json> {
  client.send({ type: 'send', connector: 'ws', ref, data, ...more });
  return client.messages.next((message) => message.ref === ref);
}

/** `subscribed`, or the code of an error. */
export function outcomeOf({ type, problem }: Json): unknown {
  return type === 'error' ? (problem as Json).code : type;
}
