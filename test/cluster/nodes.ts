import { randomBytes } from 'node:crypto';
import { BASE_CONFIG, startServer, type TestServer } from '../support/app.ts';
import { PostgresProxy } from '../support/postgres/proxy.ts';
import { runSql, TEST_URL } from '../support/postgres/server.ts';

export const SCHEMA = `
type Note @table(database: "data") @export {
  id: ID! @primaryKey
  run: String! @indexed
  token: String!
  name: String @unique
}
type Counter @table(database: "data") @export { id: ID! @primaryKey n: Int! @default(value: 0) }
`;
const LIMITS =
  'messages_per_second: 100000, messages_burst: 100000, anonymous_requests_per_second: 0, new_connections_per_second: 0, connections_per_address: 0';

/** One server of a cluster, with a way of its own to the database. */
export interface ClusterNode {
  readonly server: TestServer;
  readonly proxy: PostgresProxy;
}

/** Several servers, each a process of its own, on one schema. */
export class Cluster implements AsyncDisposable {
  readonly app: string;
  readonly nodes: readonly ClusterNode[];
  readonly #database: string;

  private constructor(app: string, nodes: readonly ClusterNode[], database: string) {
    this.app = app;
    this.nodes = nodes;
    this.#database = database;
  }

  /** Starts them together: the first one makes the tables, the others join it. */
  static async start(
    size: number,
    {
      schema = SCHEMA,
      config = '',
      limits = '',
      files = {} as Readonly<Record<string, string>>,
      /** Variables of the server with this index. */
      env = (_index: number): Readonly<Record<string, string>> => ({}),
      /** URL of the database. */
      database = TEST_URL,
    } = {},
  ): Promise<Cluster> {
    const app = `cluster-${randomBytes(5).toString('hex')}`;
    const text = `${BASE_CONFIG}limits: {${LIMITS}${limits && `, ${limits}`}}\nstore: \${DATABASE_URL}\n${config}`;
    const started = await Promise.allSettled(
      Array.from({ length: size }, async (_, index): Promise<ClusterNode> => {
        const proxy = await PostgresProxy.open(database);
        const vars = { DATABASE_URL: proxy.url, ...env(index) };
        const server = await startServer({ name: app, schema, files, config: text, env: vars });
        return { server, proxy };
      }),
    );
    const nodes = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const cluster = new Cluster(app, nodes, database);
    const failed = started.find((one) => one.status === 'rejected');
    if (failed === undefined) return cluster;
    await cluster[Symbol.asyncDispose]();
    throw failed.reason;
  }

  get schema(): string {
    return `tablecast_${this.app}`;
  }

  /** Runs SQL beside the servers, as psql would. */
  sql(text: string, params: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return runSql(text, params, this.#database);
  }

  /** Address of a path of the application at a node. */
  url({ server }: ClusterNode, path: string): string {
    return `${server.origin}/${this.app}/${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { server, proxy } of this.nodes) {
      await server.discard();
      await proxy[Symbol.asyncDispose]();
    }
    await this.sql(`DROP SCHEMA IF EXISTS "${this.schema}" CASCADE`);
  }
}
