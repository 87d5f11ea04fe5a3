import type { ServerConfig } from './config.ts';
import { isLoopback } from './loopback.ts';

/** Describes settings that are valid but may be a mistake, a sentence for each, for `check` and the log at start. */
export function describeSurprises({ host, cors, limits, metrics, trustProxy }: ServerConfig): string[] {
  const isOpen = !isLoopback(host);
  const { anonymousRequestsPerSecond, newConnectionsPerSecond, connectionsPerAddress } = limits;
  const unlimited = [anonymousRequestsPerSecond, newConnectionsPerSecond, connectionsPerAddress].includes(0);
  const clearText = cors.origins.find(
    (origin) => origin.startsWith('http:') && !isLoopback(new URL(origin).hostname.replace(/[[\]]/g, '')),
  );
  const surprises: readonly (readonly [boolean, string])[] = [
    [
      cors.origins.includes('*'),
      'cors.origins is "*": every page in every browser that can reach this server can use the public API',
    ],
    [
      clearText !== undefined,
      `cors.origins has ${clearText}: anyone who can change its plain HTTP traffic can act as it`,
    ],
    [isOpen && metrics === true, 'metrics is true: anyone who can reach this server can read them; consider a token'],
    [
      isOpen && trustProxy,
      'trust_proxy is true: a client that reaches this port without passing the proxy can claim any address; only the proxy should reach it',
    ],
    [isOpen && unlimited, 'limits of requests or connections are 0: one client can use up all of them'],
  ];
  return surprises.filter(([applies]) => applies).map(([, sentence]) => sentence);
}
