import type { TableHandle } from './table/handle.ts';

/**
 * Tables of an application by their export names, for the compiler. `tablecast types` writes them, as `declare module
 * 'tablecast' { interface Tables { … } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: a declaration of the application fills it.
export interface Tables {}

/** Export names; any string, where nothing is declared. */
export type TableName = keyof Tables extends never ? string : keyof Tables;

/** Exported tables as code receives them. */
export type NamedTables = keyof Tables extends never ? Readonly<Record<string, TableHandle>> : Readonly<Tables>;
