export type { Identity } from './auth/identity.ts';
export { startServer } from './boot/boot.ts';
export type { RunningApp, RunningServer, ServerLog, StartOptions } from './boot/lifecycle/running-server.ts';
export { StartError } from './config/files/diagnostic.ts';
export { AppError, type ErrorCode, type FieldError } from './errors.ts';
export type {
  ChangeEvent,
  CreateEvent,
  DeleteEvent,
  HookContext,
  Hooks,
  RealtimeEvent,
  RealtimeMessageEvent,
  RealtimeSubscriptionEvent,
  RoomEvent,
  RoomSendEvent,
  RouteRequestEvent,
  TableHooks,
  UpdateEvent,
} from './hooks/types.ts';
export type { RoomsHandle } from './hub/rooms/rooms.ts';
export type {
  DeleteFrame,
  PublishFrame,
  ReadyFrame,
  ResetFrame,
  RetainedFrame,
  TableFrame,
  UpdateFrame,
} from './resources/table/frames.ts';
// With a star: what is exported by name cannot be declared further by an application.
export type * from './resources/table/handle.ts';
export type { BulkResult, TableHandle, TableSubscription } from './resources/table/handle.ts';
export type { SubscribeOptions } from './resources/table/streams.ts';
export type { CodeTables, TransactionTable, TransactionTables } from './resources/transactions/code.ts';
export type { JsonValue } from './schema/plan.ts';
export {
  defineRoute,
  type HttpContext,
  type HttpHandler,
  type RawQuery,
  type Refusal,
  type RouteConnection,
  type RouteContext,
  type RouteHooks,
  type RouteKind,
  type RouteMethod,
  type RouteOptions,
  type RouteRooms,
  type SseHandler,
  type WsHandler,
} from './transports/routes/define.ts';
export type { StandardSchema } from './transports/routes/standard-schema.ts';
