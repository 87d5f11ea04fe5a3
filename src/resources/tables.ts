import type { TableHandle } from './table/handle.ts';

/**
 * The tables of an application by their export names, for the compiler. `tablecast types` writes them, as
 * `declare module 'tablecast' { interface Tables { … } }`.
 */
// biome-ignore lint/suspicious/noEmptyInterface: it is filled by whoever declares it again.
export interface Tables {}

/** Export names; any, where nothing is declared. */
export type TableName = keyof Tables extends never ? string : keyof Tables;

/** The exported tables as code has them. */
export type NamedTables = keyof Tables extends never ? Readonly<Record<string, TableHandle>> : Readonly<Tables>;
