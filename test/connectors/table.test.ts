import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { SERVER } from '../../src/auth/identity.ts';
import { Section } from '../../src/config/keys/section.ts';
import type { Connector, Delivery, FlowData, FlowEvent, Handle, InputNotes } from '../../src/connectors/connector.ts';
import { tableConnector } from '../../src/connectors/table/connector.ts';
import { AppError } from '../../src/errors.ts';
import { type ConnectorRigContext, FLOWS_SCHEMA, openContext } from './flow-harness.ts';
import { testConnector } from './suite.ts';

const SECTION = Section.absent('flows.f', 'config.yaml');

interface SourceOptions {
  readonly operation?: string;
  readonly filter?: string;
  readonly start?: 'now' | 'oldest';
}

/** A table connector that listens to orders. */
function listen(context: ConnectorRigContext, handle: Handle, options: SourceOptions = {}): Connector {
  const { operation = 'change', filter, start = 'now' } = options;
  const connector = tableConnector.create({}, context);
  const settings = { table: 'Order', filter, start };
  connector.listen({ flow: 'f', operation, settings, section: SECTION }, handle);
  void connector.register(undefined as never);
  void connector.start();
  onTestFinished(async () => connector.stop());
  return connector;
}

const orders = (context: ConnectorRigContext) => context.application.resources.get('Order');

testConnector('table', {
  source: {
    failure: 'redelivers',
    isDurable: true,
    open: async (handle) => {
      const context = await openContext('table');
      const connector = listen(context, handle, { operation: 'create' });
      return {
        emit: async (number) => void (await orders(context)?.create(SERVER, { id: `o${number}`, number })),
        numberOf: ({ record }) => (record as { number: number }).number,
        stop: async () => connector.stop(),
      };
    },
  },
  target: {
    open: async () => {
      const context = await openContext('table');
      const connector = tableConnector.create({}, context);
      const use = { flow: 'f', operation: 'create', settings: {}, target: 'Copy', section: SECTION };
      const copies = context.application.resources.get('Copy');
      const commit = context.application.commits.submit;
      return {
        deliver: connector.target(use),
        outputOf: (number) => ({ id: `c${number}`, number }),
        received: async () => {
          const { json } = (await copies?.list(SERVER, 'sort=id')) ?? { json: '[]' };
          return (JSON.parse(json) as { number: number }[]).map(({ number }) => number);
        },
        breakIt: async () => {
          context.application.commits.submit = () => Promise.reject(new AppError('STORAGE_FULL', 'The disk is full.'));
        },
        mend: async () => {
          context.application.commits.submit = commit;
        },
      };
    },
  },
});

function delivery(output: FlowData, more: Partial<Delivery> = {}): Delivery {
  const signal = new AbortController().signal;
  return { output, target: undefined, identity: SERVER, key: 'f/0/1', flow: 'f', signal, ...more };
}

describe('changes of a table', () => {
  const told = (events: readonly FlowEvent[]) => events.map(({ input: { event, id } }) => `${event} ${id}`);

  test('contain the record, its previous state and the changed fields', async () => {
    const context = await openContext('table');
    const events: FlowEvent[] = [];
    listen(context, async (event) => void events.push(event));
    await orders(context)?.create(SERVER, { id: 'a', number: 1 });
    await orders(context)?.patch(SERVER, 'a', { status: 'paid' });
    await orders(context)?.publish(SERVER, 'a', { not: 'a change' });
    await orders(context)?.delete(SERVER, 'a');
    await vi.waitFor(() => expect(events).toHaveLength(3));
    const record = { id: 'a', number: 1, status: null };
    expect(events.map(({ input }) => input)).toMatchObject([
      { event: 'create', table: 'Order', id: 'a', record, before: null, changed: [] },
      { event: 'update', record: { ...record, status: 'paid' }, before: record, changed: ['status'] },
      { event: 'delete', record: null, before: { ...record, status: 'paid' }, changed: [] },
    ]);
    const [first] = events;
    expect(first?.key).toBe(`Order:${String(first?.input.seq)}`);
    expect(Date.parse(String(first?.input.time))).toBeGreaterThan(Date.now() - 60_000);
  });

  test('a record that comes into a filter is created for the flow, and one that leaves it is deleted', async () => {
    const context = await openContext('table');
    const events: FlowEvent[] = [];
    listen(context, async (event) => void events.push(event), { filter: 'number>10' });
    const write = orders(context);
    await write?.create(SERVER, { id: 'small', number: 1 });
    await write?.create(SERVER, { id: 'big', number: 100 });
    await write?.patch(SERVER, 'small', { number: 20 });
    await write?.patch(SERVER, 'small', { number: 30 });
    await write?.patch(SERVER, 'big', { number: 5 });
    await write?.delete(SERVER, 'big');
    await write?.delete(SERVER, 'small');
    const expected = ['create big', 'create small', 'update small', 'delete big', 'delete small'];
    await vi.waitFor(() => expect(told(events)).toEqual(expected));
    expect(events[3]?.input).toMatchObject({ record: null, before: { id: 'big', number: 100 } });
  });

  test('a flow goes on where it was when it was stopped, and one that is new begins now or with the oldest', async () => {
    const context = await openContext('table');
    await orders(context)?.create(SERVER, { id: 'before' });
    const first: FlowEvent[] = [];
    const connector = listen(context, async (event) => void first.push(event));
    await orders(context)?.create(SERVER, { id: 'a' });
    await vi.waitFor(() => expect(told(first)).toEqual(['create a']));
    await connector.stop();
    await orders(context)?.create(SERVER, { id: 'b' });
    const second: FlowEvent[] = [];
    listen(context, async (event) => void second.push(event));
    await vi.waitFor(() => expect(told(second)).toEqual(['create b']));
    expect(told(first)).toEqual(['create a']);
    context.positions.kept.clear();
    const third: FlowEvent[] = [];
    listen(context, async (event) => void third.push(event), { start: 'oldest' });
    await vi.waitFor(() => expect(told(third)).toEqual(['create before', 'create a', 'create b']));
  });

  test('changes that were unfinished at a stop are delivered again', async () => {
    const context = await openContext('table');
    const stopping = new AbortController();
    const connector = listen(context, () => {
      return new Promise((_, reject) => stopping.signal.addEventListener('abort', () => reject(new Error('stopping'))));
    });
    await orders(context)?.create(SERVER, { id: 'a' });
    await new Promise((done) => setTimeout(done, 50));
    const stopped = connector.stop();
    stopping.abort();
    await stopped;
    const events: FlowEvent[] = [];
    listen(context, async (event) => void events.push(event));
    await vi.waitFor(() => expect(told(events)).toEqual(['create a']));
    expect(context.faults).toEqual([]);
  });

  test('changes that were removed from the log are reported as missed, and counted', async () => {
    const context = await openContext('table', { config: 'events: {max_count: 3}\n' });
    const connector = listen(context, async () => {});
    await connector.stop();
    const table = orders(context)?.table as never;
    const floor = context.application.log.resumeFloor(table);
    for (const id of ['a', 'b', 'c', 'd', 'e', 'f']) await orders(context)?.create(SERVER, { id });
    // The housekeeping looks once a second.
    const events: FlowEvent[] = [];
    await vi.waitFor(() => expect(context.application.log.resumeFloor(table)).toBeGreaterThan(floor), 5000);
    listen(context, async (event) => void events.push(event));
    await vi.waitFor(() => expect(told(events)).toEqual(['create d', 'create e', 'create f']));
    expect(context.faults.map(String)).toEqual([
      expect.stringMatching(/^MissedEvents: flow f: changes of Order up to \d+ were removed from the log/),
    ]);
    expect(context.faults[0]).toMatchObject({ name: 'MissedEvents', flow: 'f' });
  });

  test('a failing log is read again', async () => {
    const context = await openContext('table');
    const events: FlowEvent[] = [];
    listen(context, async (event) => void events.push(event));
    const readLog = context.application.log.readLog;
    context.application.log.readLog = () => {
      context.application.log.readLog = readLog;
      throw new Error('cannot be read');
    };
    await orders(context)?.create(SERVER, { id: 'a' });
    await vi.waitFor(() => expect(told(events)).toEqual(['create a']), 5000);
    expect(context.faults.map(String)).toEqual(['Error: cannot be read']);
  });
});

describe('writes to a table', () => {
  async function target(operation: string) {
    const context = await openContext('table');
    const connector = tableConnector.create({}, context);
    const deliver = connector.target({ flow: 'f', operation, settings: {}, target: 'Copy', section: SECTION });
    const copies = context.application.resources.get('Copy');
    const read = async (id: string) => {
      const found = await copies?.get(SERVER, id);
      return found && (JSON.parse(found.json) as unknown);
    };
    return { deliver, read, copies };
  }

  test('a delivery that comes again is not written again, whatever it is now', async () => {
    const { deliver, copies } = await target('create');
    const first = await deliver(delivery({ number: 1 }));
    expect(await deliver(delivery({ number: 2 }))).toEqual(first);
    await deliver(delivery({ number: 3 }, { key: 'f/1/1' }));
    const { json } = (await copies?.list(SERVER, 'sort=number')) ?? { json: '' };
    expect(JSON.parse(json)).toMatchObject([{ number: 1 }, { number: 3 }]);
  });

  test('upsert, update, delete and publish write as their names say', async () => {
    const upsert = await target('upsert');
    await upsert.deliver(delivery({ id: 'a', number: 1 }));
    await upsert.deliver(delivery({ id: 'a', number: 2 }, { key: '2' }));
    expect(await upsert.read('a')).toEqual({ id: 'a', number: 2 });
    const update = await target('update');
    await update.copies?.create(SERVER, { id: 'a', number: 1 });
    expect(await update.deliver(delivery({ id: 'a', number: 7 }))).toEqual({ id: 'a', number: 7 });
    const keyless = { code: 'VALIDATION_ERROR', message: expect.stringMatching(/^id: is the key .* is missing$/) };
    await expect(update.deliver(delivery({ number: 7 }, { key: '2' }))).rejects.toMatchObject(keyless);
    await expect(update.deliver(delivery({ id: 'b', number: 7 }, { key: '3' }))).rejects.toThrow('no record');
    const remove = await target('delete');
    await remove.copies?.create(SERVER, { id: 'a' });
    expect(await remove.deliver(delivery({ id: 'a' }))).toEqual({ id: 'a', deleted: true });
    expect(await remove.deliver(delivery({ id: 'a' }, { key: '2' }))).toEqual({ id: 'a', deleted: false });
    const publish = await target('publish');
    expect(await publish.deliver(delivery({ text: 'hi' }))).toMatchObject({ delivered: 0 });
  });

  test('an input without a transform sets the fields of the table', async () => {
    const { deliver, read } = await target('create');
    const output = { id: 'a', number: 1, event: 'message', user_id: 'ann' };
    await deliver(delivery(output, { isInput: true }));
    expect(await read('a')).toEqual({ id: 'a', number: 1 });
    await expect(deliver(delivery(output, { key: '2' }))).rejects.toThrow('event: is not a field');
  });

  const NONE = 'the message has none of the fields of Copy';
  const WHOLE = 'Copy needs an object with some of its fields (id, number)';
  const UNREAD: readonly (readonly [what: string, input: FlowData, notes: InputNotes | undefined, message: string])[] =
    [
      [
        'names that are no fields',
        { Number: 1, x: 2 },
        { sent: ['Number', 'x'] },
        `${NONE} (id, number); it has Number, x`,
      ],
      ['nothing', {}, { sent: [] }, `${NONE} (id, number); it is empty`],
      ['text', { body: 'hello' }, { sent: ['body'], whole: 'text' }, `the message is text; ${WHOLE}`],
      ['a list', { body: [{ number: 1 }] }, { sent: ['body'], whole: 'a list' }, `the message is a list; ${WHOLE}`],
      ['a number', { body: 5 }, { sent: ['body'], whole: 'a number' }, `the message is a number; ${WHOLE}`],
      [
        'an event of another source',
        { event: 'schedule', name: 's' },
        undefined,
        `${NONE} (id, number); it has event, name`,
      ],
      [
        'a key of the event beside names that are no fields',
        { id: 'a', x: 2 },
        { sent: ['x'] },
        `${NONE} (id, number); it has x`,
      ],
      [
        'a key of the event beside text',
        { id: 'a', body: 'hi' },
        { sent: ['body'], whole: 'text' },
        `the message is text; ${WHOLE}`,
      ],
    ];

  test.each(UNREAD)('create and upsert refuse %s, and store nothing', async (_what, input, notes, message) => {
    for (const operation of ['create', 'upsert']) {
      const { deliver, copies } = await target(operation);
      const sent = delivery(input, { isInput: true, ...(notes === undefined ? {} : { notes }) });
      await expect(deliver(sent)).rejects.toMatchObject({ code: 'VALIDATION_ERROR', message });
      expect(await copies?.list(SERVER, '')).toMatchObject({ json: '[]' });
    }
  });

  test.each(UNREAD)('update refuses %s, and changes nothing', async (_what, input, notes) => {
    const { deliver, read, copies } = await target('update');
    await copies?.create(SERVER, { id: 'a', number: 1 });
    const head = copies?.head;
    const sent = delivery({ id: 'a', ...input }, { isInput: true, ...(notes === undefined ? {} : { notes }) });
    await expect(deliver(sent)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    expect([await read('a'), copies?.head]).toEqual([{ id: 'a', number: 1 }, head]);
  });

  test('update needs a field beside the key', async () => {
    const { deliver, copies } = await target('update');
    await copies?.create(SERVER, { id: 'a', number: 1 });
    await expect(deliver(delivery({ id: 'a', x: 1 }, { isInput: true, notes: { sent: ['id', 'x'] } }))).rejects.toThrow(
      'the message has none of the fields of Copy, besides id, (number); it has id, x',
    );
  });

  test.each(UNREAD)('delete refuses %s where there is no key', async (_what, { id: _id, ...input }, notes) => {
    const { deliver, read, copies } = await target('delete');
    await copies?.create(SERVER, { id: 'a', number: 1 });
    const sent = delivery(input, { isInput: true, ...(notes === undefined ? {} : { notes }) });
    await expect(deliver(sent)).rejects.toMatchObject({ code: 'VALIDATION_ERROR' });
    expect(await read('a')).toEqual({ id: 'a', number: 1 });
  });

  test('members of a path or a connection are enough for an empty message', async () => {
    const { deliver, read } = await target('create');
    await deliver(delivery({ id: 'a' }, { isInput: true, notes: { sent: [] } }));
    expect(await read('a')).toEqual({ id: 'a', number: null });
  });
});

test('a position of a table goes on under the new name of its type', async () => {
  const schema = FLOWS_SCHEMA.replace('type Order @table', 'type Order @table @renamedFrom(name: "Purchase")');
  const context = await openContext('table', { schema });
  const position = context.application.log.lastSeq;
  await orders(context)?.create(SERVER, { id: 'o1', number: 1 });
  context.positions.set('f:Purchase', position);
  const handled = vi.fn();
  listen(context, async ({ input }) => handled(input.id));
  await vi.waitFor(() => expect(handled).toHaveBeenCalledWith('o1'));
  await vi.waitFor(() => expect(context.positions.get('f:Order')).toBeGreaterThan(position));
});
