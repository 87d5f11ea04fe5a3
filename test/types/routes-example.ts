import { defineRoute, type StandardSchema } from '../../src/index.ts';

declare function schema<T>(): StandardSchema<unknown, T>;

/** Valid routes, and invalid ones where an error is expected. */
export const routes = {
  plain: defineRoute({
    handler: ({ query, tables, identity, signal, as, rooms, system }) => {
      const name: string | readonly string[] | undefined = query.name;
      // @ts-expect-error: a name may stand several times
      const text: string = query.name;
      // @ts-expect-error: only a principal has a name
      const sub: string = identity.sub;
      const told: Promise<number> | undefined = rooms.ws?.sendToRoom('orders', { id: 1 });
      const all: number | undefined = system.rooms.ws?.sendToRoom('orders', { id: 1 });
      return [
        name,
        text,
        sub,
        tables.Log?.find('limit=1'),
        signal.aborted,
        as(identity),
        told,
        all,
        system.tables.Log?.find('limit=1'),
      ];
    },
  }),
  sum: defineRoute({
    kind: 'http',
    method: ['POST', 'PUT'],
    query: schema<{ times: number }>(),
    body: schema<{ a: number }>(),
    handler: ({ query, body }) => {
      // @ts-expect-error: it is a number
      const wrong: string = body.a;
      // @ts-expect-error: there is no such member
      return [body.a * query.times, wrong, body.b];
    },
  }),
  ticks: defineRoute({
    kind: 'sse',
    input: schema<{ count: number }>(),
    handler: async function* ({ query }) {
      for (let n = 0; n < query.count; n++) yield n;
    },
  }),
  chat: defineRoute({
    kind: 'ws',
    query: schema<{ room: number }>(),
    message: schema<{ text: string }>(),
    handler: {
      onOpen: (connection) => void connection.send(connection.query.room + 1),
      onMessage: ({ text }, { query, send }) => {
        // @ts-expect-error: it is a number
        const wrong: string = query.room;
        send(text.toUpperCase() + wrong);
      },
      onClose: (_connection, code, reason) => code.toFixed() + reason.trim(),
    },
  }),
  short: defineRoute({
    kind: 'ws',
    input: schema<{ n: number }>(),
    // @ts-expect-error: it is a number
    handler: { onMessage: ({ n }) => n.trim() },
  }),
  untyped: defineRoute({
    kind: 'ws',
    // @ts-expect-error: without a schema a message may be anything
    handler: { onMessage: (message) => message.text },
  }),
  // @ts-expect-error: onMessage is required
  silent: defineRoute({ kind: 'ws', handler: { onOpen: () => {} } }),
  // @ts-expect-error: an sse handler is a generator
  noEvents: defineRoute({ kind: 'sse', handler: () => 1 }),
  // @ts-expect-error: a ws handler is an object
  noCallbacks: defineRoute({ kind: 'ws', handler: () => 1 }),
  // @ts-expect-error: there is no such kind
  other: defineRoute({ kind: 'tcp', handler: () => 1 }),
  // @ts-expect-error: this is no schema
  noSchema: defineRoute({ query: { a: 1 }, handler: () => 1 }),
  hooked: defineRoute({
    access: ['editor'],
    hooks: {
      before: [
        ({ identity }) => (identity.type === 'anonymous' ? { status: 401, error: 'Who are you?' } : undefined),
        async ({ context }) => {
          context.begun = Date.now();
        },
      ],
      cleanup: ({ tables }) => tables.Log?.create({ text: 'done' }),
    },
    handler: ({ context }) => context.begun,
  }),
  letsPass: defineRoute({
    hooks: {
      // @ts-expect-error: false is no refusal
      before: () => false,
    },
    handler: () => 1,
  }),
};
