import type { Plan, RelationPlan, TablePlan } from '../schema/plan.ts';
import { isText } from '../schema/sdl/field.ts';
import { collectTypes, DECLARATIONS_MARK, declareTypes, namesOf } from './declarations.ts';
import type { TypeNames } from './type-names.ts';
import { formatInterface, type TypeMember } from './type-text.ts';

/**
 * Returns the types of an application for `tablecast/client`, as the text of a module: `App`, for `connect<App>(url)`, and the
 * records and enums that it refers to. The module needs nothing of the server. Deterministic, as `makeDeclarations`.
 *
 * @param rooms names of the connectors with rooms
 */
export function makeClientTypes(plan: Plan, rooms: readonly string[] = []): string {
  const found = collectTypes(plan);
  const names = namesOf(found, 'tablecast/client');
  const exported = [...found.tables].filter(({ exportName }) => exportName !== undefined);
  const members = exported.map(({ name, exportName = name, description }) => ({
    name: exportName,
    type: tableName(name, names),
    notes: [description],
    isReadonly: true,
  }));
  const parts = [
    `${DECLARATIONS_MARK} from the schema: what is written here is lost when it is made again.`,
    ...declareTypes(found, names),
    ...[...found.tables].map((table) => declareTable(table, names)),
    formatInterface(`interface ${names.made('AppTables')}`, members, []),
    formatInterface(
      `export interface ${names.made('App')}`,
      [
        { name: '$tables', type: names.made('AppTables'), isReadonly: true },
        { name: '$rooms', type: rooms.map((name) => `'${name}'`).join(' | ') || 'never', isReadonly: true },
      ],
      ['Types of the application: `connect<App>(url)`.'],
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

function tableName(name: string, names: TypeNames): string {
  return names.made(`${name}Table`, `table ${name}`);
}

/** Declares the `TableTypes` of a table. A table that is not exported is only read, through relations. */
function declareTable({ name, exportName, primaryKey, relations }: TablePlan, names: TypeNames): string {
  const inputs: TypeMember[] =
    exportName === undefined
      ? []
      : [
          { name: '$create', type: names.made(`New${name}`, `New ${name}`) },
          ...(isText(primaryKey.type) ? [] : [{ name: '$put', type: names.made(`Whole${name}`, `Whole ${name}`) }]),
          { name: '$patch', type: names.made(`${name}Patch`) },
        ];
  const members: TypeMember[] = [
    { name: '$record', type: names.of(name) },
    ...inputs,
    { name: '$key', type: `'${primaryKey.name}'` },
    { name: '$relations', type: `{ ${relations.map((relation) => formatRelation(relation, names)).join(' ')} }` },
  ];
  return formatInterface(
    `interface ${tableName(name, names)}`,
    members.map((member) => ({ ...member, isReadonly: true })),
    [],
  );
}

function formatRelation({ name, target, many }: RelationPlan, names: TypeNames): string {
  return `readonly ${name}: { readonly ${many ? 'many' : 'one'}: ${tableName(target.name, names)} };`;
}
