import { signal } from '@preact/signals';
import { ask, TablecastError } from './http.ts';
import { readDocument } from './schema-document.ts';
import { entryOf } from './session.ts';
import { view } from './view.ts';

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
  /** As in the schema: `[String!]!`. */
  readonly type: string;
  readonly required?: boolean;
  readonly docs?: string;
  readonly indexed?: boolean;
  readonly unique?: boolean;
  readonly hidden?: boolean;
  /** Which time the server sets. */
  readonly stamp?: string;
  readonly computed?: unknown;
}

interface AdminTable {
  readonly name: string;
  readonly has_url: boolean;
  readonly docs?: string;
  readonly primary_key: string;
  readonly fields: readonly AdminField[];
  readonly relations: readonly { readonly target: string; readonly from?: string }[];
}

interface AdminSchema {
  readonly tables: readonly AdminTable[];
  readonly enums: Readonly<Record<string, readonly string[]>>;
}

let loading = 0;
/** Schema as the administrator has read it last. */
let known: Schema | undefined;

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
  const { value } = view;
  // In a view the tables are those that are known: what the caller may do with them is what the view shows.
  if (value?.app === app && known !== undefined) return { ...known, admin: false, who: value.sub };
  const me = await identify(app);
  const isOpen = entryOf(app)?.auth === 'none';
  const admin = isOpen || (me?.roles.includes(entryOf(app)?.admin_role ?? 'admin') ?? false);
  if (!isOpen && me === undefined) throw new TablecastError('UNAUTHORIZED', 'Log in first.', { status: 401 });
  const who = me?.sub;
  if (admin) {
    const tables = await readAdminTables(app);
    if (tables !== undefined) {
      known = { app, tables, admin, who };
      return known;
    }
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
    const { data } = await ask<AdminSchema>(app, '_/admin/schema');
    return data.tables.filter((table) => table.has_url).map((table) => toTable(table, data.enums));
  } catch (error) {
    const { status } = error as TablecastError;
    if (status === 404 || status === 403) return undefined;
    throw error;
  }
}

function toTable(table: AdminTable, enums: AdminSchema['enums']): Table {
  const refers = new Map(table.relations.flatMap(({ from, target }) => (from === undefined ? [] : [[from, target]])));
  return {
    name: table.name,
    key: table.primary_key,
    description: table.docs,
    fields: table.fields.map((field) => toField(field, refers, enums)),
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

function toField(field: AdminField, refers: ReadonlyMap<string, string>, enums: AdminSchema['enums']): Field {
  const type = field.type.replace(/[[\]!]/g, '');
  const values = Object.hasOwn(enums, type) ? enums[type] : undefined;
  return {
    name: field.name,
    type,
    kind: values !== undefined ? 'enum' : (KINDS[type] ?? 'object'),
    list: field.type.startsWith('['),
    required: field.required ?? false,
    readOnly: field.stamp !== undefined || field.computed !== undefined,
    hidden: field.hidden ?? false,
    description: field.docs,
    values,
    unique: field.unique ?? false,
    indexed: field.indexed ?? false,
    refersTo: refers.get(field.name),
  };
}

export function tableOf(name: string | undefined): Table | undefined {
  return schema.value?.tables.find((table) => table.name === name);
}
