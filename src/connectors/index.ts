import type { ConnectorType } from './connector.ts';

/** Loaders of connector types by `type:`. A type is loaded when a connector of it is configured. */
export const CONNECTOR_LOADERS: Readonly<Record<string, () => Promise<ConnectorType>>> = {
  websocket: async () => (await import('./rooms/websocket.ts')).WEBSOCKET,
  sse: async () => (await import('./rooms/sse.ts')).SSE,
  table: async () => (await import('./table/connector.ts')).tableConnector,
  schedule: async () => (await import('./schedule/connector.ts')).scheduleConnector,
  http: async () => (await import('./http/connector.ts')).httpConnector,
  rabbitmq: async () => (await import('./rabbitmq/connector.ts')).rabbitmqConnector,
};
