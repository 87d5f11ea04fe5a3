// The page on a port of its own: it talks to the backend as any other site would.
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import Fastify from 'fastify';

const port = Number(process.env.PORT ?? 8080);
const server = Fastify();
await server.register(fastifyStatic, { root: fileURLToPath(new URL('web', import.meta.url)) });
await server.listen({ port, host: '127.0.0.1' });
process.stdout.write(`The chat is at http://localhost:${server.server.address().port}/\n`);
