import { onTestFinished } from 'vitest';
import type { FlowEvent, Handle } from '../../src/connectors/connector.ts';
import { SseClient } from '../support/sse-client.ts';
import { WsClient } from '../support/ws-client.ts';
import { RoomHostHarness } from './room-host.ts';
import { type OpenTarget, testConnector } from './suite.ts';

async function openHouse(type: 'websocket' | 'sse', on: Record<string, (event: FlowEvent) => unknown> = {}) {
  const house = await RoomHostHarness.open({ connector: `live: {type: ${type}}`, on });
  onTestFinished(() => house[Symbol.asyncDispose]());
  return house;
}

/** Fails while the flow gives no room. */
function makeTarget(house: RoomHostHarness, received: OpenTarget['received']): OpenTarget {
  let target: string | undefined = 'a';
  return {
    deliver: (delivery) => house.send('send_to_room', delivery.output, target),
    outputOf: (n) => ({ n }),
    received,
    breakIt: async () => {
      target = undefined;
    },
    mend: async () => {
      target = 'a';
    },
  };
}

testConnector('websocket', {
  source: {
    failure: 'answers',
    isDurable: false,
    async open(handle: Handle) {
      const house = await openHouse('websocket', { message: handle });
      const client = await WsClient.open(house.ws());
      onTestFinished(() => client.terminate());
      return {
        async emit(n: number) {
          client.send({ type: 'message', data: { n }, ref: n });
          const { type, message } = await client.controls.next(({ ref }) => ref === n, 1000);
          if (type === 'error') throw new Error(message);
        },
        numberOf: ({ n }) => n as number,
        stop: () => house.stop(),
      };
    },
  },
  target: {
    async open() {
      const house = await openHouse('websocket');
      const client = await WsClient.open(house.ws());
      onTestFinished(() => client.terminate());
      client.send({ type: 'join_room', room: 'a' });
      await client.control('joined');
      const told = () => client.controls.items.filter(({ type }) => type === 'message');
      return makeTarget(house, async () => told().map(({ data }) => data?.n as number));
    },
  },
});

testConnector('sse', {
  target: {
    async open() {
      const house = await openHouse('sse');
      const stream = await SseClient.open(`${house.origin}/events?room=a`);
      onTestFinished(() => stream.close());
      await stream.next();
      const told = () => stream.all('message').filter(({ type }) => type === 'message');
      return makeTarget(house, async () => told().map(({ data }) => (data as { n: number }).n));
    },
  },
});
