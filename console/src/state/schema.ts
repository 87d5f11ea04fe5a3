import { signal } from '@preact/signals';
import { ask, TablecastError } from './http.ts';
import { readDocument } from './schema-document.ts';
import { entryOf } from './session.ts';

/** Field of a table, as forms and columns need it. */
export interface Field {
  readonly name: string;
  /** Scalar, enum or object type: `String`, `Kind`, `Address`. */
  readonly type: string;
  readonly kind: 'text' | 'number' | 'long' | 'boolean' | 'date' | 'enum' | 'json' | 'object';
  readonly list: boolean;
  readonly required: boolean;
  readonly readOnly: boolean;
  readonly hidden: boolean;
  readonly description: string | undefined;
  readonly values: readonly string[] | undefined;
  readonly unique: boolean;
  readonly indexed: boolean;
  /** Table whose key the field has. */
  readonly refersTo: string | undefined;
}

export interface Table {
  /** Export name. */
  readonly name: string;
  readonly key: string;
  readonly description: string | undefined;
  readonly fields: readonly Field[];
}

export interface Schema {
  readonly app: string;
  readonly tables: readonly Table[];
  /** Whether the caller sees the screens for administrators. */
  readonly admin: boolean;
  readonly who: string | undefined;
}

export const schema = signal<Schema | undefined>(undefined);
export const schemaError = signal<TablecastError | undefined>(undefined);

interface AdminField {
  readonly name: string;
  readonly type: string;
  readonly list?: boolean;
  readonly required?: boolean;
  readonly description?: string | null;
  readonly indexed?: unknown;
  readonly unique?: boolean;
  readonly hidden?: boolean;
  readonly enum?: readonly string[] | null;
  readonly relation?: { readonly table?: string; readonly from?: string | null } | null;
  readonly readOnly?: boolean;
  readonly read_only?: boolean;
}

interface AdminTable {
  readonly name: string;
  readonly exportName?: string | null;
  readonly export?: string | null;
  readonly description?: string | null;
  readonly key: string;
  readonly fields: readonly AdminField[];
}

let loading = 0;

/** Reads the tables of an application: from the admin API for administrators, else from the API document. */
export async function loadSchema(app: string): Promise<void> {
  const turn = ++loading;
  if (schema.value?.app !== app) schema.value = undefined;
  try {
    const found = await readSchema(app);
    if (turn !== loading) return;
    schema.value = found;
    schemaError.value = undefined;
  } catch (error) {
    if (turn === loading) schemaError.value = error as TablecastError;
  }
}

async function readSchema(app: string): Promise<Schema> {
  const me = await identify(app);
  const isOpen = entryOf(app)?.auth === 'none';
  const admin = isOpen || (me?.roles.includes(entryOf(app)?.admin_role ?? 'admin') ?? false);
  if (!isOpen && me === undefined) throw new TablecastError('UNAUTHORIZED', 'Log in first.', { status: 401 });
  const who = me?.sub;
  if (admin) {
    const tables = await readAdminTables(app);
    if (tables !== undefined) return { app, tables, admin, who };
  }
  const { data } = await ask(app, '_/openapi.json');
  return { app, tables: readDocument(data), admin, who };
}

async function identify(app: string): Promise<{ sub: string; roles: readonly string[] } | undefined> {
  if (entryOf(app)?.auth === 'none') return undefined;
  return (await ask<{ sub: string; roles: readonly string[] }>(app, '_/auth/me')).data;
}

async function readAdminTables(app: string): Promise<readonly Table[] | undefined> {
  try {
    const { data } = await ask<{ tables: readonly AdminTable[] }>(app, '_/admin/schema');
    return data.tables.filter((table) => nameOf(table) !== undefined).map(toTable);
  } catch (error) {
    const { status } = error as TablecastError;
    if (status === 404 || status === 403) return undefined;
    throw error;
  }
}

const nameOf = (table: AdminTable) => table.exportName ?? table.export ?? undefined;

function toTable(table: AdminTable): Table {
  const links = table.fields.flatMap(({ relation }) =>
    relation?.from && relation.table ? [[relation.from, relation.table] as const] : [],
  );
  const refers = new Map(links);
  return {
    name: nameOf(table) ?? table.name,
    key: table.key,
    description: table.description ?? undefined,
    fields: table.fields.filter(({ relation }) => !relation).map((field) => toField(field, refers)),
  };
}

const KINDS: Readonly<Record<string, Field['kind']>> = {
  ID: 'text',
  String: 'text',
  Int: 'number',
  Float: 'number',
  Long: 'long',
  Boolean: 'boolean',
  Date: 'date',
  JSON: 'json',
  Any: 'json',
};

function toField(field: AdminField, refers: ReadonlyMap<string, string>): Field {
  const values = field.enum ?? undefined;
  return {
    name: field.name,
    type: field.type,
    kind: values !== undefined ? 'enum' : (KINDS[field.type] ?? 'object'),
    list: field.list ?? false,
    required: field.required ?? false,
    readOnly: field.readOnly ?? field.read_only ?? false,
    hidden: field.hidden ?? false,
    description: field.description ?? undefined,
    values,
    unique: field.unique ?? false,
    indexed: Boolean(field.indexed),
    refersTo: refers.get(field.name),
  };
}

export function tableOf(name: string | undefined): Table | undefined {
  return schema.value?.tables.find((table) => table.name === name);
}
