import { createServer } from 'node:net';

/** Message of the server: a byte for its kind, the length of the rest, the rest. */
function message(kind: string, rest: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(kind);
  head.writeUInt32BE(rest.length + 4, 1);
  return Buffer.concat([head, rest]);
}

/** Answers of the server that are no error; what a client has sent is the argument. */
const AUTHENTICATION = {
  // 3: the password as it is.
  password: [() => message('R', Buffer.from([0, 0, 0, 3]))],
  // 10 and 11: the two steps of SCRAM, in which the client proves that it has the password.
  scram: [
    () => message('R', Buffer.from('\0\0\0\x0aSCRAM-SHA-256\0\0')),
    (sent: string) => message('R', Buffer.from(`\0\0\0\x0br=${/r=([^,\0]+)/.exec(sent)?.[1]}0,s=c2FsdA==,i=4096`)),
  ],
};

/** Asks every client for its password, as PostgreSQL does, and refuses it. The server of the tests trusts every client. */
export async function refusingServer(
  kind: keyof typeof AUTHENTICATION,
): Promise<AsyncDisposable & { readonly url: (user: string) => string }> {
  const server = createServer((socket) => {
    const answers = [...AUTHENTICATION[kind]];
    socket.on('error', () => {});
    socket.on('data', (sent) => {
      const answer = answers.shift();
      if (answer !== undefined) {
        socket.write(answer(sent.toString('latin1')));
        return;
      }
      const fields = 'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "app"\0\0';
      socket.end(message('E', Buffer.from(fields)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    url: (user) => `postgres://${user}@127.0.0.1:${port}/test`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
