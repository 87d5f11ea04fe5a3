import {
  type DefinitionNode,
  type EnumTypeDefinitionNode,
  GraphQLError,
  Kind,
  Lexer,
  type ObjectTypeDefinitionNode,
  parse,
  Source,
  TokenKind,
} from 'graphql';
import type { SourceFile } from '../../config/files/source.ts';
import { isDefinedScalar, isEmptyQuery } from '../definitions.ts';
import { checkName } from '../names.ts';
import { DIRECTIVE_NAMES } from './directives.ts';
import { locate, type SchemaReport } from './schema-report.ts';

// The parser recurses for every bracket and allocates a node for every token, so both are bounded before it runs.
const MAX_BRACKET_DEPTH = 32;
const MAX_TOKENS = 200_000;

const OPENING: ReadonlySet<string> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L]);
const CLOSING: ReadonlySet<string> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R]);

/** Types of all files of one application, by name. */
export interface Declarations {
  readonly objects: ReadonlyMap<string, ObjectTypeDefinitionNode>;
  readonly enums: ReadonlyMap<string, EnumTypeDefinitionNode>;
}

/** Parses every file and reports every syntax error. A file with one contributes no types. */
export function parseSources(files: readonly SourceFile[], report: SchemaReport): Declarations {
  const objects = new Map<string, ObjectTypeDefinitionNode>();
  const enums = new Map<string, EnumTypeDefinitionNode>();
  const seen = new Map<string, DefinitionNode>();
  for (const node of files.flatMap((file) => parseFile(file, report))) {
    if (!isKnownDefinition(node, report)) continue;
    const { name } = node;
    const before = seen.get(name.value.toLowerCase());
    if (before !== undefined) {
      const { file, line } = locate(before);
      const same = 'name' in before && before.name?.value === name.value;
      const message = same
        ? `type "${name.value}" is declared twice`
        : `type "${name.value}" differs from another only in upper and lower case`;
      report.wrong(name, message, `the other one is at ${file}:${line}`);
      continue;
    }
    seen.set(name.value.toLowerCase(), node);
    checkTypeName(node, report);
    if (node.kind === Kind.ENUM_TYPE_DEFINITION) enums.set(name.value, node);
    else objects.set(name.value, node);
  }
  return { objects, enums };
}

function parseFile(file: SourceFile, report: SchemaReport): readonly DefinitionNode[] {
  const source = new Source(file.text, file.file);
  try {
    if (isWithinBounds(source, report)) return parse(source).definitions;
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    const { line = 1, column = 1 } = error.locations?.[0] ?? {};
    report.wrongAt({ file: file.file, line, column }, { message: toSentence(error.message) });
  }
  report.hasSyntaxErrors = true;
  return [];
}

function isWithinBounds(source: Source, report: SchemaReport): boolean {
  const lexer = new Lexer(source);
  let depth = 0;
  let count = 0;
  for (let token = lexer.advance(); token.kind !== TokenKind.EOF; token = lexer.advance()) {
    count += 1;
    if (OPENING.has(token.kind)) depth += 1;
    if (CLOSING.has(token.kind)) depth -= 1;
    const at = { file: source.name, line: token.line, column: token.column };
    if (depth > MAX_BRACKET_DEPTH) {
      report.wrongAt(at, { message: `brackets are nested more than ${MAX_BRACKET_DEPTH} deep` });
      return false;
    }
    if (count > MAX_TOKENS) {
      report.wrongAt(at, { message: `the file has more than ${MAX_TOKENS} words`, hint: 'split the schema up' });
      return false;
    }
  }
  if (count === 0) {
    report.wrongAt({ file: source.name, line: 1, column: 1 }, { message: 'the file is empty', hint: TABLE_HINT });
  }
  return count > 0;
}

export const TABLE_HINT = 'write a table: type Message @table @export { id: ID! @primaryKey }';

function toSentence(message: string): string {
  const text = message.replace(/^Syntax Error: /, '').replace(/\.$/, '');
  return text.charAt(0).toLowerCase() + text.slice(1);
}

// Definitions of GraphQL that a schema of tables does not support, with the error message.
const REFUSED: Readonly<Partial<Record<DefinitionNode['kind'], string>>> = {
  [Kind.INTERFACE_TYPE_DEFINITION]: 'interfaces are not supported: write the fields into each type',
  [Kind.UNION_TYPE_DEFINITION]: 'unions are not supported: use JSON, or a type with all the fields',
  [Kind.INPUT_OBJECT_TYPE_DEFINITION]: 'input types are not needed: what is written is checked against the table',
  [Kind.SCHEMA_DEFINITION]: 'a schema definition is not needed: every type with @table is a table',
  [Kind.OPERATION_DEFINITION]: 'operations do not belong in a schema: only types and enums do',
  [Kind.FRAGMENT_DEFINITION]: 'fragments do not belong in a schema: only types and enums do',
};

const OPERATION_TYPES: ReadonlySet<string> = new Set(['Query', 'Mutation', 'Subscription']);

function isKnownDefinition(
  node: DefinitionNode,
  report: SchemaReport,
): node is ObjectTypeDefinitionNode | EnumTypeDefinitionNode {
  switch (node.kind) {
    case Kind.OBJECT_TYPE_DEFINITION:
      if (!OPERATION_TYPES.has(node.name.value)) return true;
      // The type of tablecast.graphql, for tools that require it.
      if (isEmptyQuery(node.name.value, node.fields)) return false;
      report.wrong(node.name, `type "${node.name.value}" is not needed: tables are read and written at their URLs`);
      return false;
    case Kind.ENUM_TYPE_DEFINITION:
      return true;
    case Kind.SCALAR_TYPE_DEFINITION:
      // Editors require a declaration of scalars that they do not know; it changes nothing here.
      if (!isDefinedScalar(node.name.value))
        report.wrong(node.name, 'own scalars are not supported', 'use String or JSON');
      return false;
    case Kind.DIRECTIVE_DEFINITION:
      if (!DIRECTIVE_NAMES.includes(node.name.value)) report.wrong(node.name, 'own directives are not supported');
      return false;
    default:
      report.wrong(node, REFUSED[node.kind] ?? 'extensions are not supported: write the fields into the type itself');
      return false;
  }
}

function checkTypeName(node: ObjectTypeDefinitionNode | EnumTypeDefinitionNode, report: SchemaReport): void {
  const wrong = checkName(node.name.value, 'type');
  if (wrong !== undefined) report.wrong(node.name, wrong.message, wrong.hint);
}
