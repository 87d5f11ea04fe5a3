import { type FieldDefinitionNode, Kind, type ObjectTypeDefinitionNode, type TypeNode } from 'graphql';
import { isScalarName, SCALARS } from '../names.ts';
import type { FieldPlan, FieldType } from '../plan.ts';
import { hasDirective } from './directives.ts';
import type { Declarations } from './parse.ts';
import { readEnumNames } from './renamed-from.ts';
import type { SchemaReport } from './schema-report.ts';

// Code that walks a record recurses for each level, and a level with two fields of one type doubles the work.
const MAX_OBJECT_DEPTH = 16;
const MAX_LIST_DEPTH = 4;
export const MAX_TABLE_FIELDS = 2000;

// Names of types in other languages, for the hint of an error.
const FOREIGN_NAMES: Readonly<Record<string, string>> = {
  integer: 'Int',
  number: 'Float',
  double: 'Float',
  decimal: 'Float',
  bool: 'Boolean',
  text: 'String',
  uuid: 'ID',
  datetime: 'Date',
  timestamp: 'Date',
  time: 'Date',
  bigint: 'Long',
  int64: 'Long',
  object: 'JSON',
  map: 'JSON',
  any: 'JSON',
};

export type MakeFields = (node: ObjectTypeDefinitionNode) => readonly FieldPlan[];

interface ResolvedObject {
  readonly type: FieldType;
  /** Levels of objects, this one included. `size` counts the fields of all levels. */
  readonly height: number;
  readonly size: number;
}

/** Resolves the types of fields. Each nested object type is built once and shared. */
export class TypeResolver {
  readonly #declarations: Declarations;
  readonly #report: SchemaReport;
  readonly #makeFields: MakeFields;
  readonly #resolved = new Map<string, ResolvedObject>();
  /** Object types that are being built, outermost first. */
  readonly #path: string[] = [];

  constructor(declarations: Declarations, report: SchemaReport, makeFields: MakeFields) {
    this.#declarations = declarations;
    this.#report = report;
    this.#makeFields = makeFields;
  }

  /** Returns the type of a field. Undefined when it is not usable, which has been reported. */
  resolve({ type }: FieldDefinitionNode): FieldType | undefined {
    return this.#resolve(type, 0);
  }

  /** Builds a nested object type even if no table uses it, so that its errors are reported. */
  resolveObject(name: string): void {
    const node = this.#declarations.objects.get(name);
    if (node !== undefined && !this.#resolved.has(name)) this.#object(node);
  }

  #resolve(node: TypeNode, lists: number): FieldType | undefined {
    if (node.kind === Kind.NON_NULL_TYPE) return this.#resolve(node.type, lists);
    if (node.kind === Kind.LIST_TYPE) {
      if (lists >= MAX_LIST_DEPTH) {
        this.#report.wrong(node, `lists are nested more than ${MAX_LIST_DEPTH} deep`, 'use JSON');
        return undefined;
      }
      const of = this.#resolve(node.type, lists + 1);
      return of && { kind: 'list', of, itemsRequired: node.type.kind === Kind.NON_NULL_TYPE };
    }
    const name = node.name.value;
    if (isScalarName(name)) return { kind: 'scalar', name };
    const enumNode = this.#declarations.enums.get(name);
    if (enumNode !== undefined) {
      const renamedFrom = readEnumNames(enumNode);
      const values = (enumNode.values ?? []).map((value) => value.name.value);
      return { kind: 'enum', name, values, ...(renamedFrom === undefined ? {} : { renamedFrom }) };
    }
    const object = this.#declarations.objects.get(name);
    if (object === undefined) {
      const { objects, enums } = this.#declarations;
      const near = this.#report.suggest(name, SCALARS, enums.keys(), objects.keys());
      const other = Object.hasOwn(FOREIGN_NAMES, name.toLowerCase()) ? FOREIGN_NAMES[name.toLowerCase()] : undefined;
      this.#report.wrong(node, `unknown type "${name}"`, other === undefined ? near : `did you mean "${other}"?`);
      return undefined;
    }
    if (isTable(object)) {
      const hint = `store its key instead: ${name.charAt(0).toLowerCase()}${name.slice(1)}Id: ID, and add @relationship(from: …) to this field`;
      this.#report.wrong(node, `type "${name}" is a table, and a field cannot hold a table`, hint);
      return undefined;
    }
    return this.#nested(object, node);
  }

  #nested(object: ObjectTypeDefinitionNode, use: TypeNode): FieldType | undefined {
    const name = object.name.value;
    if (this.#path.includes(name)) {
      const circle = [...this.#path.slice(this.#path.indexOf(name)), name].join(' → ');
      this.#report.wrong(use, `type "${name}" contains itself: ${circle}`, 'use JSON, or a table of its own');
      return undefined;
    }
    const known = this.#resolved.get(name);
    if (this.#path.length + (known?.height ?? 1) > MAX_OBJECT_DEPTH) {
      this.#report.wrong(use, `object types are nested more than ${MAX_OBJECT_DEPTH} deep`, 'use JSON');
      return undefined;
    }
    return (known ?? this.#object(object, use)).type;
  }

  #object(node: ObjectTypeDefinitionNode, use: TypeNode | undefined = undefined): ResolvedObject {
    const name = node.name.value;
    this.#path.push(name);
    const fields = this.#makeFields(node);
    this.#path.pop();
    const below = fields.map((field) => this.#measure(field.type));
    const resolved: ResolvedObject = {
      type: { kind: 'object', name, fields },
      height: 1 + Math.max(0, ...below.map(({ height }) => height)),
      size: fields.length + below.reduce((sum, { size }) => sum + size, 0),
    };
    if (resolved.size > MAX_TABLE_FIELDS) {
      this.#report.wrong(
        use ?? node,
        `type "${name}" has more than ${MAX_TABLE_FIELDS} fields with those of its fields`,
      );
    }
    this.#resolved.set(name, resolved);
    return resolved;
  }

  #measure(type: FieldType): { height: number; size: number } {
    if (type.kind === 'list') return this.#measure(type.of);
    return (type.kind === 'object' ? this.#resolved.get(type.name) : undefined) ?? { height: 0, size: 0 };
  }

  /** Counts the fields of a table with those of its nested objects. */
  sizeOf(fields: readonly FieldPlan[]): number {
    return fields.reduce((sum, { type }) => sum + 1 + this.#measure(type).size, 0);
  }
}

export function isTable(node: ObjectTypeDefinitionNode): boolean {
  return hasDirective(node.directives, 'table');
}

/** Formats the type as in SDL, without `!`. */
export function formatType(type: FieldType): string {
  return type.kind === 'list' ? `[${formatType(type.of)}${type.itemsRequired ? '!' : ''}]` : type.name;
}
