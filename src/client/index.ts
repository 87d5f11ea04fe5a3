export { type AnyRecord, type AnyTables, type Client, connect, type TableTypes } from './client.ts';
export type { ConnectOptions, SocketClass, TokenSource } from './environment.ts';
export { type FieldError, TablecastError } from './error.ts';
export type { SseHandle, SseHandlers } from './event-source.ts';
export type { StreamEvent } from './event-stream.ts';
export type {
  ChangeFrame,
  DeleteFrame,
  Frame,
  PublishFrame,
  ReadyFrame,
  ResetFrame,
  RetainedFrame,
  UpdateFrame,
} from './frames.ts';
export type { RequestOptions } from './http.ts';
export type { Status } from './link.ts';
export type { LiveList, LiveOptions } from './live-list.ts';
export type { Ack, Envelope } from './outbox.ts';
export type { Query } from './query.ts';
export type { Rooms, RoomsOptions } from './rooms.ts';
export type { HttpRoute, RouteTypes, SseRoute, WsHandle, WsHandlers, WsRoute } from './route-types.ts';
export type { SubscribeOptions, Subscription } from './subscription.ts';
export type { Page, Published, Table, WriteOptions } from './table.ts';
