import { mkdirSync } from 'node:fs';
import { pino } from 'pino';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Identity } from '../../src/auth/identity.ts';
import { openApplication } from '../../src/boot/application.ts';
import { loadProject } from '../../src/boot/project.ts';
import { StartError } from '../../src/config/files/diagnostic.ts';
import { Report } from '../../src/config/files/report.ts';
import { MissedEvents, PermanentError } from '../../src/connectors/connector.ts';
import { openAppFlows } from '../../src/connectors/flows/app-flows.ts';
import { readFlows } from '../../src/connectors/flows/read-flows.ts';
import type { DeadLetter } from '../../src/connectors/flows/run/dead-letters.ts';
import { Admission } from '../../src/server/limits/admission.ts';
import { loadEngine } from '../../src/store/index.ts';
import { makeFolder } from '../config/folders.ts';
import { type Probe, readProbe } from './probe.ts';

const SCHEMA = 'type Note @table @export { id: ID! @primaryKey }\n';
const ANN: Identity = { type: 'principal', sub: 'ann', roles: ['x'], claims: {}, expiresAt: undefined };

function load(flows: string) {
  const dir = makeFolder({ 'schema.graphql': SCHEMA, 'config.yaml': `port: 0\n${flows}` });
  const { server, apps } = loadProject(dir, {});
  const [app] = apps;
  if (app === undefined) throw new Error('there is no application');
  const report = new Report();
  const probes: Probe[] = [];
  const probe = readProbe(probes);
  const found = { known: new Map([['probe', probe]]), wrong: new Set<string>() };
  const plan = { connectors: [probe], flows: readFlows(app.config.flows, { found, report }) };
  report.throwIfAny();
  return { server, app, probes, plan };
}

async function open(flows: string) {
  const { server, app, probes, plan } = load(flows);
  const { config } = app;
  mkdirSync(config.dataDir, { recursive: true });
  const faults: unknown[] = [];
  const onError = (error: unknown) => void faults.push(error);
  const application = await openApplication({ app: config, server, plan: app.plan, allowDestructive: false, onError });
  onTestFinished(() => application.close());
  const context = { config, server, application, auth: undefined, admission: new Admission(server.limits), onError };
  const log = pino({ level: 'silent' });
  const appFlows = await openAppFlows(plan, { ...context, log, hasShortAddress: () => true });
  const probe = probes[0] as Probe;
  const dir = config.dataDir;
  return { appFlows, probe, faults, dir, plan, options: { ...context, log, hasShortAddress: () => true } };
}

const flow = (name: string, operation: string, more = '') =>
  `  ${name}:\n    from: {connector: probe, operation: ${operation}}\n    to: {connector: probe, operation: room, target: input.room}\n${more}`;

describe('flows of an application', () => {
  test('equal sources are listened to once, others and those per flow each for itself', async () => {
    const names = ['a', 'b'].map((name) => flow(name, 'ask')).join('');
    const others = `${flow('c', 'queue')}${flow('d', 'own')}${flow('e', 'own')}`;
    const { appFlows, probe } = await open(`flows:\n${names}${others}`);
    expect(probe.listened.map(({ flow: name, operation }) => [name, operation])).toEqual([
      ['a', 'ask'],
      ['c', 'queue'],
      ['d', 'own'],
      ['e', 'own'],
    ]);
    expect(await probe.emit({ input: { room: 'red' }, identity: ANN })).toEqual({ delivered: 1 });
    expect(probe.delivered.map(({ flow: name, target, identity }) => [name, target, identity.type])).toEqual([
      ['a', 'red', 'principal'],
      ['b', 'red', 'principal'],
    ]);
    expect([...probe.context.pathsOf('/ws')]).toEqual(['/my-app/ws', '/ws']);
    expect(appFlows.status()).toEqual({ connections: 7 });
    appFlows.stop();
    await appFlows.settled();
    await appFlows.close();
    expect(probe.calls).toEqual(['stop', 'settled', 'close']);
  });

  test('a missing room is a permanent failure, which the sender receives', async () => {
    const { appFlows, probe } = await open(`flows:\n${flow('a', 'ask')}`);
    await expect(probe.emit({ input: {} })).rejects.toThrow(PermanentError);
    expect(probe.delivered).toEqual([]);
    await appFlows.close();
  });

  test('positions and gaps are kept for a connector', async () => {
    const { appFlows, probe, faults } = await open(`flows:\n${flow('a', 'own')}`);
    const { positions, onError } = probe.context;
    positions.set('a:T', 5);
    expect([positions.get('a:T'), positions.get('b:T')]).toEqual([5, undefined]);
    onError(new MissedEvents('a', 'changes were gone'));
    onError(new MissedEvents('gone', 'changes were gone'));
    onError(new Error('another'));
    expect(appFlows.runners[0]?.counts.gaps).toBe(1);
    expect(faults).toHaveLength(3);
    await appFlows.close();
  });

  test('a stop waits for running events, with a limit; a connector that fails to stop is reported', async () => {
    const { appFlows, probe, faults } = await open(`flows:\n${flow('a', 'queue')}`);
    probe.onDelivery = () => new Promise(() => {});
    probe.onStop = () => Promise.reject(new Error('stuck'));
    const emitted = probe.emit({ input: { room: 'red' } });
    await vi.waitFor(() => expect(probe.delivered).toHaveLength(1));
    appFlows.stop();
    let hasSettled = false;
    const settled = appFlows.settled().then(() => (hasSettled = true));
    await new Promise((done) => setTimeout(done, 50));
    expect(hasSettled).toBe(false);
    appFlows.abort();
    await expect(emitted).rejects.toMatchObject({ code: 'STOPPING' });
    await settled;
    await appFlows.close();
    expect(faults.map(String)).toEqual(['Error: stuck']);
    expect(probe.calls).toEqual(['stop', 'settled', 'abort', 'close']);
    expect(probe.delivered[0]?.signal.aborted).toBe(true);
  });

  test('flows handle disconnects while the server stops, also of clients that are cut off', async () => {
    const { appFlows, probe } = await open(`flows:\n${flow('a', 'ask')}`);
    const go = (key: string) => probe.emit({ input: { room: 'red' }, key });
    appFlows.stop();
    expect(await go('e1')).toEqual({ delivered: 1 });
    appFlows.abort();
    expect(await go('e2')).toEqual({ delivered: 1 });
    await vi.waitFor(() => expect(go('late')).rejects.toMatchObject({ code: 'STOPPING' }), { timeout: 5000 });
    await appFlows.settled();
    await appFlows.close();
  });

  test('a dead letter has the identity of its sender', async () => {
    const retry = '    retry: {attempts: 1}\n';
    const caller = flow('a', 'queue', retry).replace('target: input.room', 'target: input.room, as: caller');
    const { appFlows, probe } = await open(`flows:\n${caller}`);
    probe.onDelivery = () => Promise.reject(new Error('no'));
    const senders: Identity[] = [ANN, { type: 'anonymous' }, { type: 'server' }];
    for (const [index, identity] of senders.entries()) {
      expect(await probe.emit({ input: { room: 'red' }, identity, key: `e${index}` })).toBe(null);
    }
    const { deadLetters, runners } = appFlows;
    const stored = await deadLetters.list({ limit: 9 });
    const letters = await Promise.all(stored.map(async ({ id }) => (await deadLetters.get(id)) as DeadLetter));
    expect(letters.map(({ identity }) => identity)).toEqual(senders.toReversed());
    expect(deadLetters.count('a')).toBe(3);
    probe.delivered.length = 0;
    probe.onDelivery = async () => 'done';
    expect(await runners[0]?.replay(letters[2] as DeadLetter, [])).toBe('done');
    expect(probe.delivered[0]).toMatchObject({ identity: ANN, key: 'a/0/e0' });
    expect(await runners[0]?.replay(letters[2] as DeadLetter, ['0 probe room input.room'])).toBe(null);
    expect(probe.delivered).toHaveLength(1);
    await appFlows.close();
  });

  test('when a connector cannot be created, the store is closed again', async () => {
    const { appFlows, dir, plan, options } = await open(`flows:\n${flow('a', 'ask')}`);
    await appFlows.close();
    const type = {
      ...readProbe().type,
      create: () => {
        throw new Error('cannot be made');
      },
    };
    const broken = { ...plan, connectors: [{ ...readProbe(), type }] };
    await expect(openAppFlows(broken, options)).rejects.toThrow('cannot be made');
    (await (await loadEngine()).openFlows({ dir, busyTimeout: 0 })).close();
  });

  test('targets accept an expression, or no target at all', () => {
    const config = `flows:
  a:
    from: {connector: probe, operation: ask}
    to:
      - {connector: probe, operation: room}
      - {connector: probe, operation: all, target: input.room}
      - {connector: probe, operation: room, target: 5 +}
`;
    let found: unknown;
    try {
      load(config);
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(StartError);
    const { diagnostics } = found as StartError;
    expect(diagnostics.map(({ at, message, hint }) => `${at.line}:${at.column} ${message} | ${hint}`)).toEqual([
      expect.stringMatching(/^6:\d+ "flows\.a\.to\[0\]\.target" is missing \| write `target:` and an expression$/),
      expect.stringMatching(/^7:\d+ "flows\.a\.to\[1\]\.target": this operation takes no target \| remove it$/),
      expect.stringMatching(/^8:\d+ flows\.a\.to\[2\]\.target: Unexpected token/),
    ]);
    const { plan } = load(
      `flows:\n${flow('a', 'ask').replace('input.room', '5').replace('operation: room', 'operation: room, as: server')}`,
    );
    expect(plan.flows[0]?.retry.attempts).toBe(1);
    expect(plan.flows[0]?.targets[0]).toMatchObject({ as: 'server', label: 'probe room 5' });
  });
});
