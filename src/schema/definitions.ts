import { type DocumentNode, Kind, type NameNode, parse, print, visit } from 'graphql';
import { SCALARS } from './names.ts';
import { DIRECTIVES_SDL } from './sdl/directives.ts';

/** First line of the generated file. A file that begins with it may be overwritten. */
export const DEFINITIONS_MARK = '# Made by tablecast types';

const OWN_PREFIX = '_';
/** Name of the only field of the type Query in the file. */
const NO_QUERY = '_';

/**
 * Returns the directives and scalars of schemas as a file for editors and GraphQL tools. Scalars that only arguments of
 * directives have begin with an underscore, with which no type of a schema may begin, so that a type may be named Action
 * or Rules.
 */
export function makeDefinitions(): string {
  const head = [
    `${DEFINITIONS_MARK}: directives and scalars of schemas, for editors and GraphQL tools.`,
    '# graphql.config.yml: schema: [schema.graphql, tablecast.graphql]',
  ];
  const query = `"Only for tools that want this type: tables are read and written at their URLs."\ntype Query {\n  ${NO_QUERY}: Boolean\n}`;
  return `${head.join('\n')}\n\n${print(renameScalars(parse(DIRECTIVES_SDL, { noLocation: true })))}\n\n${query}\n`;
}

function renameScalars(document: DocumentNode): DocumentNode {
  const own = new Set(
    document.definitions.flatMap((node) =>
      node.kind === Kind.SCALAR_TYPE_DEFINITION && !SCALARS.has(node.name.value) ? [node.name.value] : [],
    ),
  );
  const rename = <T extends { readonly name: NameNode }>(node: T): T | undefined =>
    own.has(node.name.value)
      ? { ...node, name: { ...node.name, value: `${OWN_PREFIX}${node.name.value}` } }
      : undefined;
  return visit(document, {
    NamedType: (node) => rename(node),
    ScalarTypeDefinition: (node) => rename(node),
  });
}

const OWN_SCALARS: ReadonlySet<string> = new Set(
  [...makeDefinitions().matchAll(/^scalar (\w+)/gm)].map(([, name]) => name as string),
);

/** True for the scalars that a schema may declare; the declaration changes nothing. */
export function isDefinedScalar(name: string): boolean {
  return SCALARS.has(name) || OWN_SCALARS.has(name);
}

/** True for the type Query of the generated file, which serves no queries. */
export function isEmptyQuery(name: string, fields: readonly { readonly name: NameNode }[] | undefined): boolean {
  return name === 'Query' && fields?.length === 1 && fields[0]?.name.value === NO_QUERY;
}
