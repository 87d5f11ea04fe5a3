import type { FastifyInstance } from 'fastify';
import type { AppConfig } from '../../config/config.ts';
import type { Report } from '../../config/files/report.ts';
import { isReservedAtRoot, isReservedInApp } from '../../config/reserved-paths.ts';
import type { ContractOperation } from '../../openapi/contract-operation.ts';
import { METHODS } from '../../transports/routes/route.ts';
import type { TransportStatus } from '../../transports/transport.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorType,
  ConnectorUse,
  Deliver,
  Handle,
  SourceUse,
  TargetUse,
} from '../connector.ts';
import { AddressGuard } from './address-guard.ts';
import { HTTP_KEYS, type HttpSettings, REQUEST_KEYS, type RequestSettings } from './keys.ts';
import { type HttpOperation, isOperation, parseOperation, shapeOf } from './operation.ts';
import { RequestSources, sectionOf } from './source.ts';
import { WEBHOOK_METHODS, WebhookTargets } from './target.ts';

/** Requests as sources of flows, and webhooks as targets: docs/reference/connectors/http.md. */
export const httpConnector: ConnectorType<HttpSettings> = {
  keys: HTTP_KEYS,
  isBuiltIn: true,
  sources: { named: {}, any: { what: 'A request: a method and a path', keys: REQUEST_KEYS, failure: 'answers' } },
  targets: {
    named: {},
    any: {
      what: 'A webhook: a method, and a path below the address of the connector',
      keys: {},
      target: 'none',
      needsTarget: false,
    },
  },
  check: checkUse,
  create: (settings, context) => new HttpConnector(settings, context),
};

class HttpConnector implements Connector {
  readonly name: string;
  readonly #requests: RequestSources;
  readonly #webhooks: WebhookTargets;

  constructor(settings: HttpSettings, context: ConnectorContext) {
    this.name = context.name;
    this.#requests = new RequestSources(context);
    this.#webhooks = new WebhookTargets(settings, context);
  }

  listen(source: SourceUse, handle: Handle): void {
    this.#requests.listen(source, handle);
  }

  target(use: TargetUse): Deliver {
    return this.#webhooks.target(use);
  }

  describe(): readonly ContractOperation[] {
    return this.#requests.describe();
  }

  register(server: FastifyInstance): Promise<void> {
    return this.#requests.register(server);
  }

  start(): void {}

  /** Reports no connections: the server counts requests in flight. */
  status(): TransportStatus {
    return { connections: 0 };
  }

  stop(): Promise<void> {
    return this.#requests.stop();
  }

  abort(): void {
    this.#requests.abort();
  }

  close(): void {
    this.#requests.abort();
  }
}

function checkUse(
  { name, app, plan, settings, section, sources, targets }: ConnectorUse<HttpSettings>,
  report: Report,
) {
  const known: (HttpOperation & { readonly source: SourceUse })[] = [];
  for (const source of sources) {
    checkCallers(source, app, report);
    const at = sectionOf(source, 'operation');
    const operation = parseOperation(source.operation, { methods: METHODS, needsPath: true });
    if (!isOperation(operation)) {
      report.add(at.diagnose(operation));
      continue;
    }
    const [first = ''] = operation.segments;
    const table = plan.tables.find(({ exportName }) => exportName === first);
    if (table !== undefined)
      report.add(at.diagnose({ message: `/${first} is the address of the table ${table.name}` }));
    if (isReservedInApp(first) || isReservedAtRoot(first) || first === app.appId)
      report.add(at.diagnose({ message: `/${first} is used by the server itself` }));
    if (first.startsWith(':')) {
      report.add(at.diagnose({ message: 'the path begins with a parameter', hint: 'begin with a name: /orders/:id' }));
    }
    const same = known.find((other) => other.method === operation.method && shapeOf(other) === shapeOf(operation));
    // An identical source is shared by several flows.
    if (same !== undefined && !isSame(same.source, source)) {
      const message = `"${source.operation}" is the address of the flow "${same.source.flow}", too, with other keys`;
      report.add(at.diagnose({ message, hint: 'write the same keys, or use another path' }));
    }
    known.push({ ...operation, source });
  }
  for (const target of targets) {
    const operation = parseOperation(target.operation, { methods: WEBHOOK_METHODS, needsPath: false });
    if (!isOperation(operation)) report.add(sectionOf(target, 'operation').diagnose(operation));
    if (settings.url === undefined) {
      const hint = `write \`url:\` below \`connectors:\`, \`${name}:\``;
      report.add(sectionOf(target, 'connector').diagnose({ message: `"${name}" has no url to send to`, hint }));
    }
  }
  checkAddress(settings, section, report);
}

function checkCallers(source: SourceUse, { auth }: AppConfig, report: Report): void {
  if ((source.settings as RequestSettings).access === undefined || typeof auth === 'object') return;
  const message = `"${source.operation}" has access rules, but authentication is off`;
  const hint = 'configure `auth`, or remove `access`';
  report.add(sectionOf(source, 'access').diagnose({ message, hint }));
}

function isSame(one: SourceUse, other: SourceUse): boolean {
  return one.operation === other.operation && JSON.stringify(one.settings) === JSON.stringify(other.settings);
}

/** Checks an address in `url`. Names are checked when they are looked up. */
function checkAddress(settings: HttpSettings, section: ConnectorUse['section'], report: Report): void {
  const host = settings.url?.hostname.replace(/^\[(.*)\]$/, '$1');
  if (host === undefined || new AddressGuard(settings).allowsHost(host)) return;
  const message = 'the address is private, local or reserved';
  const hint = 'if webhooks are meant to stay in your network: `allow_private: true`, or `allow:` with the network';
  report.add((section.members.get('url') ?? section).diagnose({ message, hint }));
}
