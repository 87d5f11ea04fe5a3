export type { Identity } from './auth/identity.ts';
export { type RunningServer, type StartOptions, startServer } from './boot.ts';
export { StartError } from './config/diagnostic.ts';
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
  TableHooks,
  UpdateEvent,
} from './hooks/types.ts';
export type { RoomsHandle } from './hub/rooms.ts';
export type { TableHandle } from './resources/table-handle.ts';
export {
  defineRoute,
  type HttpContext,
  type HttpHandler,
  type RawQuery,
  type Refusal,
  type RegisteredTables,
  type RouteConnection,
  type RouteContext,
  type RouteHooks,
  type RouteKind,
  type RouteMethod,
  type RouteOptions,
  type RouteRooms,
  type RouteTables,
  type SseHandler,
  type WsHandler,
} from './transports/routes/define.ts';
export type { StandardSchema } from './transports/routes/standard-schema.ts';
