import type { ConnectorType } from './connector.ts';

/** Kinds of connectors by `type:`. Loaded when one is configured. */
export const CONNECTOR_LOADERS: Readonly<Record<string, () => Promise<ConnectorType>>> = {
  websocket: async () => (await import('./websocket.ts')).WEBSOCKET,
  sse: async () => (await import('./sse.ts')).SSE,
  table: async () => (await import('./table/table.ts')).tableConnector,
  schedule: async () => (await import('./schedule.ts')).scheduleConnector,
  http: async () => (await import('./http.ts')).httpConnector,
  rabbitmq: async () => (await import('./rabbitmq.ts')).rabbitmqConnector,
};
