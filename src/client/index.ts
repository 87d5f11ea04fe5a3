export type { Auth, User } from './auth/auth.ts';
export type { SessionStorage } from './auth/session-store.ts';
export { type Client, connect } from './client.ts';
export type { ConnectOptions, SocketClass, TokenSource } from './connection/environment.ts';
export type { SseHandle, SseHandlers } from './connection/event-source.ts';
export type { StreamEvent } from './connection/event-stream.ts';
export type { RequestOptions } from './connection/http.ts';
export type { Status } from './connection/link.ts';
export type { Ack, Envelope } from './connection/outbox.ts';
export { type FieldError, TablecastError } from './error.ts';
export type {
  ChangeFrame,
  DeleteFrame,
  Frame,
  PublishFrame,
  ReadyFrame,
  ResetFrame,
  RetainedFrame,
  TotalFrame,
  UpdateFrame,
} from './live/frames.ts';
export type { LiveList, LiveOptions } from './live/live-list.ts';
export type { LiveSnapshot } from './live/live-query.ts';
export type { Overlay } from './live/overlay.ts';
export type { Position, SubscribeOptions, Subscription } from './live/subscription.ts';
export type { Query } from './query.ts';
export type { Rooms, RoomsOptions } from './rooms/rooms.ts';
export type { HttpRoute, RouteTypes, SseRoute, WsHandle, WsHandlers, WsRoute } from './routes/route-types.ts';
export type { Page, Published, Table, WriteOptions, Written } from './table.ts';
export type {
  AnyRecord,
  AnyTables,
  AppTypes,
  Changes,
  FieldOperation,
  JsonValue,
  Relation,
  TableTypes,
  TypedQuery,
  Where,
} from './table-types.ts';
export type {
  Reference,
  StepResult,
  TransactionOptions,
  TransactionResult,
  TransactionStep,
} from './transaction.ts';
export type { Sent } from './wire/writes.ts';
