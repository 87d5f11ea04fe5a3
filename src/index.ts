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
export type { TableHandle } from './resources/table-handle.ts';
