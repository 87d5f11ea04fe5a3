import type { ConnectorType } from './connector.ts';

/** Kinds of connectors by `type:`. Loaded when one is configured. */
export const CONNECTOR_LOADERS: Readonly<Record<string, () => Promise<ConnectorType>>> = {
  http: async () => (await import('./http.ts')).httpConnector,
  rabbitmq: async () => (await import('./rabbitmq.ts')).rabbitmqConnector,
  table: async () => (await import('./table/table.ts')).tableConnector,
  schedule: async () => (await import('./schedule.ts')).scheduleConnector,
  websocket: async () => (await import('./websocket.ts')).WEBSOCKET,
  sse: async () => (await import('./sse.ts')).SSE,
};
