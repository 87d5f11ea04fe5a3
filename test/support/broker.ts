import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { freePort } from './free-port.ts';

const SERVER = process.env.RABBITMQ_SERVER ?? '/usr/lib/rabbitmq/bin/rabbitmq-server';
/** Milliseconds for the broker to start, on a machine that others use, too. */
const START = 90_000;

/** A RabbitMQ of the test's own, which can be killed and started again with what it has on disk. */
export class Broker {
  readonly #port: number;
  readonly #distribution: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'tablecast-broker-'));
  #process: ChildProcess | undefined;
  #output = '';

  private constructor(port: number, distribution: number) {
    this.#port = port;
    this.#distribution = distribution;
    writeFileSync(join(this.#folder, 'rabbitmq.conf'), `listeners.tcp.local = 127.0.0.1:${port}\n`);
    writeFileSync(join(this.#folder, 'plugins'), '[].\n');
  }

  static async start(): Promise<Broker> {
    const broker = new Broker(await freePort(), await freePort());
    try {
      await broker.start();
    } catch (error) {
      await broker.remove();
      throw error;
    }
    return broker;
  }

  get url(): string {
    return `amqp://guest:guest@127.0.0.1:${this.#port}`;
  }

  async start(): Promise<void> {
    const folder = this.#folder;
    const child = spawn(SERVER, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        ERL_EPMD_ADDRESS: '127.0.0.1',
        RABBITMQ_NODENAME: `tablecast_${this.#port}@localhost`,
        RABBITMQ_NODE_PORT: String(this.#port),
        RABBITMQ_DIST_PORT: String(this.#distribution),
        RABBITMQ_MNESIA_BASE: join(folder, 'data'),
        RABBITMQ_LOG_BASE: join(folder, 'log'),
        RABBITMQ_CONFIG_FILE: join(folder, 'rabbitmq.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, 'plugins'),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 1',
        // The process is the broker itself then, and no shell around it that would be killed alone.
        RUNNING_UNDER_SYSTEMD: '1',
      },
    });
    this.#process = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        this.#output = `${this.#output}${chunk}`.slice(-2000);
      });
    }
    const end = performance.now() + START;
    while (!(await this.#answers())) {
      if (child.exitCode !== null || performance.now() > end) throw new Error(`no broker: ${this.#output}`);
      await pause(200);
    }
  }

  /** As a crash of the machine would. */
  async kill(): Promise<void> {
    const child = this.#process;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Whether it says which protocol it speaks; it listens a little earlier. */
  #answers(): Promise<boolean> {
    return new Promise((resolve) => {
      const socket = connect(this.#port, '127.0.0.1', () => socket.write('AMQP\0\0\x09\x01'));
      socket.setTimeout(1000, () => socket.destroy());
      socket.once('data', () => {
        resolve(true);
        socket.destroy();
      });
      socket.once('error', () => undefined);
      socket.once('close', () => resolve(false));
    });
  }
}

/** A group of tests with one broker for all of them. */
export function withBroker(name: string, body: (broker: () => Broker) => void): void {
  if (!existsSync(SERVER)) {
    withoutBroker(name);
    return;
  }
  describe(name, () => {
    let broker: Broker;
    beforeAll(async () => {
      broker = await Broker.start();
      // It gives up by itself before that.
    }, START + 30_000);
    afterAll(() => broker?.remove());
    body(() => broker);
  });
}

/** Where everything must be there, a missing broker is a failure; elsewhere it is a skip that says so. */
function withoutBroker(name: string): void {
  const reason = `there is no RabbitMQ at ${SERVER}: install it, or name its start script in RABBITMQ_SERVER`;
  if (process.env.CI === 'true') {
    it(`${name} needs a broker`, () => {
      throw new Error(reason);
    });
    return;
  }
  console.warn(`SKIPPED ${name}: ${reason}`);
  it.skip(`${name} (${reason})`, () => undefined);
}
