import { connect } from 'node:net';

/** Port at which the tests find a NATS server. */
export const NATS_PORT = Number(process.env.TABLECAST_TEST_NATS_PORT ?? 4222);

/** Why the tests cannot run with NATS; undefined when they can. */
export const natsUnreachable: string | undefined = await reach();

function reach(): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: NATS_PORT, timeout: 3000 });
    const end = (reason: string | undefined) => {
      socket.destroy();
      resolve(reason);
    };
    socket.once('data', (bytes) => end(String(bytes).startsWith('INFO ') ? undefined : 'another server answers'));
    socket.once('timeout', () => end('no answer'));
    socket.once('error', ({ message }) => end(message));
  });
}
