import { Section } from '../../src/config/keys/section.ts';
import type {
  Connector,
  ConnectorContext,
  ConnectorType,
  Deliver,
  Delivery,
  FlowEvent,
  Handle,
  SourceUse,
} from '../../src/connectors/connector.ts';
import type { ReadConnector } from '../../src/connectors/flows/read-connectors.ts';

/** A connector whose other end is the test itself. */
export class Probe implements Connector {
  readonly name: string;
  readonly context: ConnectorContext;
  readonly listened: SourceUse[] = [];
  readonly handles: Handle[] = [];
  readonly delivered: Delivery[] = [];
  readonly calls: string[] = [];
  /** Function of its target. */
  onDelivery: Deliver = async () => ({ delivered: 1 });
  onStop = async () => {};

  constructor(context: ConnectorContext) {
    this.name = context.name;
    this.context = context;
  }

  listen(use: SourceUse, handle: Handle): void {
    this.listened.push(use);
    this.handles.push(handle);
  }

  target(): Deliver {
    return (delivery) => {
      this.delivered.push(delivery);
      return this.onDelivery(delivery);
    };
  }

  register(): void {
    this.calls.push('register');
  }

  start(): void {
    this.calls.push('start');
  }

  async stop(): Promise<void> {
    this.calls.push('stop');
    await this.onStop();
  }

  abort(): void {
    this.calls.push('abort');
  }

  close(): void {
    this.calls.push('close');
  }

  async settled(): Promise<void> {
    this.calls.push('settled');
  }

  status(): { connections: number } {
    return { connections: 7 };
  }

  /** Emits an event at the source with this index, in the order of `listen`. */
  emit(event: Partial<FlowEvent>, index = 0): Promise<unknown> {
    const all = {
      input: {},
      identity: { type: 'anonymous' } as const,
      key: 'e1',
      signal: new AbortController().signal,
    };
    return (this.handles[index] as Handle)({ ...all, ...event });
  }
}

/** Type of probes: `ask` answers, `queue` redelivers, `own` is a source per flow. */
export function probeType(created: Probe[]): ConnectorType {
  const source = (failure: 'answers' | 'redelivers', isPerFlow = false) => ({ what: '', keys: {}, failure, isPerFlow });
  return {
    keys: {},
    sources: { named: { ask: source('answers'), queue: source('redelivers'), own: source('redelivers', true) } },
    targets: {
      named: {
        room: { what: '', keys: {}, target: 'expression', needsTarget: true },
        all: { what: '', keys: {}, target: 'none', needsTarget: false },
      },
    },
    create: (_settings, context) => {
      const probe = new Probe(context);
      created.push(probe);
      return probe;
    },
  };
}

/** Connector as read from config.yaml under the name `probe`. */
export function readProbe(created: Probe[] = []): ReadConnector {
  const section = Section.absent('connectors.probe', 'config.yaml');
  return { name: 'probe', typeName: 'probe', type: probeType(created), settings: {}, section };
}
