import { describe, expect, test } from 'vitest';
import { mistakesOf, readMarks } from './mistakes.ts';

// Each schema is broken at `§`, once for each message; the messages are in the order of the places.
interface Case {
  readonly name: string;
  readonly sdl: string;
  readonly says: readonly string[];
}

const KEY = 'id: ID! @primaryKey';

const SYNTAX: readonly Case[] = [
  { name: 'a closing brace too early', sdl: 'type A @table {\n§}', says: ['expected Name, found "}"'] },
  { name: 'a missing closing brace', sdl: `type A @table {\n  ${KEY}\n§`, says: ['expected Name, found <EOF>'] },
  { name: 'a missing opening brace', sdl: `type A @table\n  §id: ID!\n}`, says: ['unexpected Name "id"'] },
  {
    name: 'a missing colon',
    sdl: `type A @table {\n  id §ID! @primaryKey\n}`,
    says: ['expected ":", found Name "ID"'],
  },
  { name: 'a missing type', sdl: 'type A @table {\n  id: §@primaryKey\n}', says: ['expected Name, found "@"'] },
  {
    name: 'a text that does not end',
    sdl: 'type A @table(database: "x§\n) { id: ID! }',
    says: ['unterminated string'],
  },
  {
    name: 'a block text that does not end',
    sdl: 'type A @table {\n  """ doc\n  id: ID!\n}§',
    says: ['unterminated string'],
  },
  {
    name: 'a character that GraphQL does not know',
    sdl: 'type A @table {\n  id§; ID!\n}',
    says: ['unexpected character: ";"'],
  },
  {
    name: 'a quote that is not double',
    sdl: "type A @table(database: §'x') { id: ID! }",
    says: ['unexpected single quote character (\'), did you mean to use a double quote (")?'],
  },
  {
    name: 'a list type that does not end',
    sdl: `type A @table {\n  ${KEY}\n  tags: [String\n§}`,
    says: ['expected "]", found "}"'],
  },
  {
    name: 'two exclamation marks',
    sdl: 'type A @table {\n  id: ID!§! @primaryKey\n}',
    says: ['expected Name, found "!"'],
  },
  { name: 'a type without a name', sdl: 'type §@table { id: ID! }', says: ['expected Name, found "@"'] },
  { name: 'a word that begins no definition', sdl: '§table A { id: ID! }', says: ['unexpected Name "table"'] },
  { name: 'an argument without a value', sdl: 'type A @table(database:§) { id: ID! }', says: ['unexpected ")"'] },
  { name: 'empty parentheses', sdl: 'type A @table(§) { id: ID! }', says: ['expected Name, found ")"'] },
  {
    name: 'a variable as a value',
    sdl: 'type A @table(database: §$db) { id: ID! }',
    says: ['unexpected variable "$db" in constant value'],
  },
  {
    name: 'a number with a leading zero',
    sdl: 'type A { n: Int @default(value: 0§1) }',
    says: ['invalid number, unexpected digit after 0: "1"'],
  },
  {
    name: 'a bad escape',
    sdl: 'type A { n: String @default(value: "a§\\q") }',
    says: ['invalid character escape sequence: "\\q"'],
  },
  {
    name: 'an enum with the value true',
    sdl: 'enum E { a §true }',
    says: ['name "true" is reserved and cannot be used for an enum value'],
  },
  {
    name: 'an empty file',
    sdl: '§',
    says: ['the file is empty | write a table: type Message @table @export { id: ID! @primaryKey }'],
  },
  {
    name: 'a file with only a comment',
    sdl: '§# nothing yet',
    says: ['the file is empty | write a table: type Message @table @export { id: ID! @primaryKey }'],
  },
];

const TYPOS: readonly Case[] = [
  {
    name: 'a misspelled directive on a type',
    sdl: `type A §@tabel { ${KEY} }`,
    says: ['unknown directive "@tabel" | did you mean "@table"?'],
  },
  {
    name: 'a directive in the wrong case',
    sdl: 'type A @table { id: ID! §@primarykey }',
    says: ['unknown directive "@primarykey" | did you mean "@primaryKey"?'],
  },
  {
    name: 'a misspelled argument',
    sdl: `type A @table(§databse: "x") { ${KEY} }`,
    says: ['unknown argument "databse" of @table | did you mean "database"?'],
  },
  {
    name: 'a misspelled scalar',
    sdl: `type A @table { ${KEY}\n  t: §Strng }`,
    says: ['unknown type "Strng" | did you mean "String"?'],
  },
  {
    name: 'a type of another language',
    sdl: `type A @table { ${KEY}\n  t: §DateTime }`,
    says: ['unknown type "DateTime" | did you mean "Date"?'],
  },
  {
    name: 'a misspelled enum',
    sdl: `enum Colour { red }\ntype A @table { ${KEY}\n  c: [§Color!] }`,
    says: ['unknown type "Color" | did you mean "Colour"?'],
  },
  {
    name: 'a misspelled nested type',
    sdl: `type Address { city: String }\ntype A @table { ${KEY}\n  a: §Adress }`,
    says: ['unknown type "Adress" | did you mean "Address"?'],
  },
  {
    name: 'an unknown action',
    sdl: `type A @table @export(public: [read, §craete]) { ${KEY} }`,
    says: ['unknown action "craete" | did you mean "create"?'],
  },
  {
    name: 'a directive that resembles none',
    sdl: `type A @table §@frobnicate { ${KEY} }`,
    says: ['unknown directive "@frobnicate"'],
  },
  {
    name: 'an argument of a directive without any',
    sdl: 'type A @table { id: ID! @primaryKey(§auto: true) }',
    says: ['unknown argument "auto" of @primaryKey | @primaryKey takes no arguments'],
  },
  {
    name: 'several typos at once',
    sdl: `type A §@tabel §@exprt {\n  id: ID! §@primarKey\n  n: §Integer\n}`,
    says: [
      'unknown directive "@tabel" | did you mean "@table"?',
      'unknown directive "@exprt" | did you mean "@export"?',
      'unknown directive "@primarKey" | did you mean "@primaryKey"?',
      'unknown type "Integer" | did you mean "Int"?',
    ],
  },
];

const LONG = 'x'.repeat(64);

const KEYS_AND_NAMES: readonly Case[] = [
  {
    name: 'a field with a very long name',
    sdl: `type A @table { ${KEY}\n  §${LONG}: Int }`,
    says: [`field "${LONG}" is longer than 63 characters`],
  },
  {
    name: 'an export name that every object has',
    sdl: `type A @table @export(name: §"constructor") { ${KEY} }`,
    says: ['"constructor" is a reserved name'],
  },
  {
    name: 'an export name that the API page has',
    sdl: `type docs @table §@export { ${KEY} } type A @table @export(name: §"openapi.json") { ${KEY} }`,
    says: [
      '"docs" is used by the server itself | the API page and its documents are there: take another name, @export(name: "…")',
      '"openapi.json" is used by the server itself | the API page and its documents are there: take another name, @export(name: "…")',
    ],
  },
  {
    name: 'an export name that the served client has',
    sdl: `type A @table @export(name: §"client.js") { ${KEY} }`,
    says: [
      '"client.js" is used by the server itself | the module for pages is there: take another name, @export(name: "…")',
    ],
  },
  {
    name: 'an export name that logging in has',
    sdl: `type auth @table §@export { ${KEY} }`,
    says: [
      '"auth" is used by the server itself | the endpoints for logging in are there: take another name, @export(name: "…")',
    ],
  },
  {
    name: 'no primary key',
    sdl: 'type §A @table { id: ID! }',
    says: ['type "A" has no @primaryKey | mark one field: id: ID! @primaryKey'],
  },
  {
    name: 'two primary keys',
    sdl: `type A @table { ${KEY}\n  §b: ID! @primaryKey }`,
    says: ['type "A" has more than one @primaryKey | the first one is "id"'],
  },
  {
    name: 'a nullable primary key',
    sdl: 'type A @table { id: §ID @primaryKey }',
    says: ['@primaryKey must be required | write id: ID!'],
  },
  {
    name: 'a Float as primary key',
    sdl: 'type A @table { id: §Float! @primaryKey }',
    says: ['@primaryKey does not work on type Float | use ID, String, Int, Long'],
  },
  {
    name: 'a list as primary key',
    sdl: 'type A @table { id: §[ID!]! @primaryKey }',
    says: ['@primaryKey does not work on type [ID!] | use ID, String, Int, Long'],
  },
  {
    name: 'a type declared twice',
    sdl: `type A @table { ${KEY} }\ntype §A { b: Int }`,
    says: ['type "A" is declared twice | the other one is at schema.graphql:1'],
  },
  {
    name: 'types equal but for case',
    sdl: `type Note @table { ${KEY} }\nenum §note { a }`,
    says: ['type "note" differs from another only in upper and lower case | the other one is at schema.graphql:1'],
  },
  {
    name: 'a field declared twice',
    sdl: `type A @table { ${KEY}\n  b: Int\n  §b: Int }`,
    says: ['field "b" is declared twice'],
  },
  {
    name: 'fields equal but for case',
    sdl: `type A @table { ${KEY}\n  Title: Int\n  §title: Int }`,
    says: ['fields "Title" and "title" differ only in upper and lower case'],
  },
  {
    name: 'a type called __proto__',
    sdl: `type §__proto__ @table { ${KEY} }`,
    says: ['type "__proto__" is a reserved name'],
  },
  {
    name: 'a type called constructor',
    sdl: `type §constructor @table { ${KEY} }`,
    says: ['type "constructor" is a reserved name'],
  },
  {
    name: 'a field called __proto__',
    sdl: `type A @table { ${KEY}\n  §__proto__: Int }`,
    says: ['field "__proto__" is a reserved name'],
  },
  {
    name: 'a field called constructor',
    sdl: `type A @table { ${KEY}\n  §constructor: Int }`,
    says: ['field "constructor" is a reserved name'],
  },
  {
    name: 'a field called prototype in a nested type',
    sdl: `type N { §prototype: Int }\ntype A @table { ${KEY} }`,
    says: ['field "prototype" is a reserved name'],
  },
  {
    name: 'a type that begins with sqlite_',
    sdl: `type §SQLite_x @table { ${KEY} }`,
    says: ['type "SQLite_x" is a reserved name | do not begin with "sqlite_"'],
  },
  {
    name: 'a field that begins with _',
    sdl: `type A @table { ${KEY}\n  §_seq: Int }`,
    says: ['field "_seq" is a reserved name | do not begin with "_"'],
  },
  {
    name: 'a stored name that begins with sqlite_',
    sdl: `type A @table(table: §"sqlite_master") { ${KEY} }`,
    says: ['stored name "sqlite_master" is a reserved name | do not begin with "sqlite_"'],
  },
  {
    name: 'a stored name with a quote',
    sdl: `type A @table(table: §"a\\"b") { ${KEY} }`,
    says: ['"a"b" is not a name | only letters, digits, "-" and "_"'],
  },
  {
    name: 'a database that is a path',
    sdl: `type A @table(database: §"../x") { ${KEY} }`,
    says: ['"../x" is not a name | only letters, digits, "-" and "_"'],
  },
  {
    name: 'a field called message_type',
    sdl: `type A @table { ${KEY}\n  §message_type: String }`,
    says: ['field "message_type" is a reserved name'],
  },
  {
    name: 'a type called like a scalar',
    sdl: `type §Date { d: Int }\ntype A @table { ${KEY} }`,
    says: ['type "Date" is built in | take another name'],
  },
  {
    name: 'two tables with one stored name',
    sdl: `type A @table { ${KEY} }\ntype §B @table(table: "a") { ${KEY} }`,
    says: ['tables "A" and "B" are both stored as "data.a" | give one of them another @table(table: "…")'],
  },
  {
    name: 'two tables with one export name',
    sdl: `type A @table @export { ${KEY} }\ntype §B @table @export(name: "A") { ${KEY} }`,
    says: ['tables "A" and "B" are both exported as "A" | give one of them another @export(name: "…")'],
  },
  {
    name: 'an export name with a slash',
    sdl: `type A @table @export(name: §"a/b") { ${KEY} }`,
    says: ['"a/b" cannot be part of a URL | only letters, digits, "-", "_" and ".", not first "." or "_"'],
  },
];

const USES: readonly Case[] = [
  {
    name: 'an action that is a number',
    sdl: `type A @table @export(public: [§1]) { ${KEY} }`,
    says: ['expected an action | one of read, create, update, delete, subscribe, publish'],
  },
  {
    name: 'an action that resembles none',
    sdl: `type A @table @export(public: [§everything]) { ${KEY} }`,
    says: ['unknown action "everything" | one of read, create, update, delete, subscribe, publish'],
  },
  {
    name: 'an argument that resembles none',
    sdl: `type A @table(§colour: "red") { ${KEY} }`,
    says: ['unknown argument "colour" of @table'],
  },
  {
    name: 'an expiration with a bad unit',
    sdl: `type A @table(expiration: §"5 weeks") { ${KEY} }`,
    says: ['expiration: unknown unit "weeks" in a duration | write a number with a unit: 500ms, 5s, 10m, 24h or 7d'],
  },
  {
    name: 'a directive of a type on a field',
    sdl: `type A @table { ${KEY}\n  b: Int §@table }`,
    says: ['@table belongs on a type, not on a field'],
  },
  {
    name: 'a directive of a field on a type',
    sdl: `type A @table §@indexed { ${KEY} }`,
    says: ['@indexed belongs on a field, not on a type'],
  },
  {
    name: 'a directive on an enum',
    sdl: `enum E §@table { a }\ntype A @table { ${KEY} }`,
    says: ['@table belongs on a type, not on an enum'],
  },
  {
    name: 'a directive on an enum value',
    sdl: `enum E { a §@unique }\ntype A @table { ${KEY} }`,
    says: ['@unique belongs on a field, not on a value of an enum'],
  },
  { name: 'a directive twice', sdl: `type A @table §@table { ${KEY} }`, says: ['@table is given twice'] },
  {
    name: 'an argument twice',
    sdl: `type A @table(table: "a" §table: "b") { ${KEY} }`,
    says: ['argument "table" of @table is given twice'],
  },
  {
    name: 'text where true or false belongs',
    sdl: `type A @table @export(ws: §"false") { ${KEY} }`,
    says: ['argument "ws" of @export expects true or false'],
  },
  {
    name: 'a number where text belongs',
    sdl: `type A @table(database: §7) { ${KEY} }`,
    says: ['argument "database" of @table expects a string in double quotes'],
  },
  {
    name: 'one action without a list',
    sdl: `type A @table @export(public: §read) { ${KEY} }`,
    says: ['argument "public" of @export expects a list such as [read, create]'],
  },
  {
    name: 'a default without a value',
    sdl: `type A @table { ${KEY}\n  b: Int §@default }`,
    says: ['@default needs the argument "value" | write @default(value: …)'],
  },
  {
    name: 'an export of a type that is no table',
    sdl: `type N §@export { b: Int }\ntype A @table { ${KEY} }`,
    says: [
      '@export needs @table: type "N" is not a table | add @table, or remove @export from a type that is only nested',
    ],
  },
  {
    name: 'a key in a nested type',
    sdl: `type N { b: ID! §@primaryKey }\ntype A @table { ${KEY} }`,
    says: ['@primaryKey belongs on a field of a type with @table'],
  },
  {
    name: 'two @expiresAt',
    sdl: `type A @table { ${KEY}\n  a: Date @expiresAt\n  §b: Date @expiresAt }`,
    says: ['type "A" has more than one @expiresAt | the first one is "a"'],
  },
  {
    name: '@expiresAt on a Boolean',
    sdl: `type A @table { ${KEY}\n  a: §Boolean @expiresAt }`,
    says: ['@expiresAt does not work on type Boolean | use Date, Long, Float, String'],
  },
  {
    name: '@createdTime on JSON',
    sdl: `type A @table { ${KEY}\n  a: §JSON @createdTime }`,
    says: ['@createdTime does not work on type JSON | use Date, String, Int, Float, Long'],
  },
  {
    name: '@updatedTime on a list',
    sdl: `type A @table { ${KEY}\n  a: §[Date] @updatedTime }`,
    says: ['@updatedTime does not work on type [Date] | use Date, String, Int, Float, Long'],
  },
  {
    name: 'a stamp with a default',
    sdl: `type A @table { ${KEY}\n  a: Int @createdTime §@default(value: 1) }`,
    says: ['@createdTime and @default exclude each other'],
  },
  {
    name: 'a key with a default',
    sdl: `type A @table { id: ID! @primaryKey §@default(value: "x") }`,
    says: ['@primaryKey and @default exclude each other'],
  },
  {
    name: 'a unique list',
    sdl: `type A @table { ${KEY}\n  a: [Int] §@unique }`,
    says: ['@unique does not work on type [Int] | only on single values'],
  },
  {
    name: 'an indexed object',
    sdl: `type N { b: Int }\ntype A @table { ${KEY}\n  a: N §@indexed }`,
    says: ['@indexed does not work on type N | only on single values'],
  },
  {
    name: 'an indexed JSON',
    sdl: `type A @table { ${KEY}\n  a: JSON §@indexed }`,
    says: ['@indexed does not work on type JSON | only on single values'],
  },
  {
    name: 'an expiration without a unit',
    sdl: `type A @table(expiration: §"60") { ${KEY} }`,
    says: ['expiration: duration 60 has no unit | write 60ms or 60s'],
  },
  {
    name: 'an expiration of nothing',
    sdl: `type A @table(expiration: §0) { ${KEY} }`,
    says: [
      'expiration must be longer than nothing and at most 100 years | write seconds, or a duration: expiration: "24h"',
    ],
  },
  {
    name: 'an expiration that is true',
    sdl: `type A @table(expiration: §true) { ${KEY} }`,
    says: ['expiration: not a duration | write seconds, or a duration: expiration: "24h"'],
  },
  {
    name: 'a type that contains itself',
    sdl: `type N { n: §N }\ntype A @table { ${KEY} }`,
    says: ['type "N" contains itself: N → N | use JSON, or a table of its own'],
  },
  {
    name: 'types that contain each other',
    sdl: `type A @table { ${KEY}\n  n: N }\ntype N { m: [M] }\ntype M { n: §N! }`,
    says: ['type "N" contains itself: N → M → N | use JSON, or a table of its own'],
  },
  {
    name: 'a field that holds a table',
    sdl: `type A @table { ${KEY}\n  u: §User }\ntype User @table { ${KEY} }`,
    says: [
      'type "User" is a table, and a field cannot hold a table | store its key instead: userId: ID, and add @relationship(from: …) to this field',
    ],
  },
  {
    name: 'a field with arguments',
    sdl: `type A @table { ${KEY}\n  b(§x: Int): Int }`,
    says: ['a field has no arguments'],
  },
  { name: 'a type without fields', sdl: `type §N\ntype A @table { ${KEY} }`, says: ['type "N" has no fields'] },
  { name: 'an enum without values', sdl: `enum §E\ntype A @table { ${KEY} }`, says: ['enum "E" has no values'] },
  {
    name: 'an enum value twice',
    sdl: `enum E { a §a }\ntype A @table { ${KEY} }`,
    says: ['value "a" is declared twice'],
  },
  {
    name: 'lists nested too deeply',
    sdl: `type A @table { ${KEY}\n  a: [[[[§[Int]]]]] }`,
    says: ['lists are nested more than 4 deep | use JSON'],
  },
];

const REFUSED: readonly Case[] = [
  {
    name: 'an interface',
    sdl: `interface §I { a: Int }\ntype A @table { ${KEY} }`,
    says: ['interfaces are not supported: write the fields into each type'],
  },
  {
    name: 'a use of an interface',
    sdl: `type A implements §I @table { ${KEY} }`,
    says: ['interfaces are not supported | write the fields into the type'],
  },
  {
    name: 'a union',
    sdl: `union §U = A\ntype A @table { ${KEY} }`,
    says: ['unions are not supported: use JSON, or a type with all the fields'],
  },
  {
    name: 'an input',
    sdl: `input §I { a: Int }\ntype A @table { ${KEY} }`,
    says: ['input types are not needed: what is written is checked against the table'],
  },
  {
    name: 'a query operation',
    sdl: `type A @table { ${KEY} }\n§query { a }`,
    says: ['operations do not belong in a schema: only types and enums do'],
  },
  {
    name: 'a type Query',
    sdl: `type §Query { a: Int }\ntype A @table { ${KEY} }`,
    says: ['type "Query" is not needed: tables are read and written at their URLs'],
  },
  {
    name: 'a schema definition',
    sdl: `§schema { query: A }\ntype A @table { ${KEY} }`,
    says: ['a schema definition is not needed: every type with @table is a table'],
  },
  {
    name: 'an extension',
    sdl: `type A @table { ${KEY} }\n§extend type A { b: Int }`,
    says: ['extensions are not supported: write the fields into the type itself'],
  },
  {
    name: 'an own scalar',
    sdl: `scalar §Money\ntype A @table { ${KEY} }`,
    says: ['own scalars are not supported | use String or JSON'],
  },
  {
    name: 'an own directive',
    sdl: `directive @§mine on OBJECT\ntype A @table { ${KEY} }`,
    says: ['own directives are not supported'],
  },
];

const NESTED = `enum E { on off }\ntype N { a: Int!, e: E, s: String! @default(value: "x") }\n`;

const DEFAULTS: readonly Case[] = [
  ['Int', '"1"'],
  ['Int', '1.5'],
  ['Int', '9007199254740993'],
  ['Float', '"1"'],
  ['Float', '1e400'],
  ['Float', '1e-400'],
  ['String', '1'],
  ['String', 'word'],
  ['Boolean', '1'],
  ['Date', '"2025-02-30"'],
  ['Date', '0'],
  ['Long', '9223372036854775808'],
  ['Long', '"1.0"'],
  ['ID', '1.5'],
  ['[Int]', '1'],
  ['N', '1'],
  ['E', '1'],
  ['JSON', '1e400'],
  ['JSON', '-1.5e-400'],
  ['JSON', '[1, {a: 1e400}]'],
].map(([type = '', value = '']) => ({
  name: `${value} as default of ${type}`,
  sdl: `${NESTED}type A @table { ${KEY}\n  a: ${type} @default(value: §${value}) }`,
  says: [`the default is not a value of type ${type}`],
}));

const DEFAULTS_IN_PARTS: readonly Case[] = [
  ['E', '§"on"', '"on" is text, not a value of enum E | write on without quotes'],
  ['E', '§onn', 'enum E has no value "onn" | did you mean "on"?'],
  ['E', '§"onn"', 'enum E has no value "onn" | did you mean "on"?'],
  ['E', '§ON', 'enum E has no value "ON" | did you mean "on"?'],
  ['E', '§true', 'enum E has no value "true" | it has on, off'],
  ['E', '§elsewhere', 'enum E has no value "elsewhere" | it has on, off'],
  ['[E]', '[on, §onn]', 'enum E has no value "onn" | did you mean "on"?'],
  ['String', '§"$auth"', '"$auth" names no claim | write the name of a claim, such as "$auth.sub"'],
  [
    'N',
    '{a: 1, s: §"$auth.org"}',
    'a claim of the caller is a default of whole fields only: "$auth.org" would be stored as text | put @default on a field of a table, of type ID, String, Int, Long, Float or Boolean',
  ],
  ['N', '{a: 1, §f: on}', 'type "N" has no field "f"'],
  ['N', '{a: §"1"}', 'the default is not a value of type Int'],
  ['N', '§{e: on}', 'the default has no "a", which type "N" requires'],
  ['N', '{a: 1, §a: 2}', 'field "a" is given twice'],
  ['[Int!]', '[1, §null]', 'the default of a required field cannot be null | remove the "!" or the default'],
  ['[Int]', '[1, §"2"]', 'the default is not a value of type Int'],
  ['Int!', '§null', 'the default of a required field cannot be null | remove the "!" or the default'],
  ['JSON', '[{a: §9007199254740993}]', '9007199254740993 cannot be held exactly | write it in quotes'],
  ['JSON', '{§__proto__: 1}', '"__proto__" is a reserved name'],
  ['JSON', '[§word]', 'word is not a JSON value | write "word" in quotes'],
].map(([type = '', value = '', message = '']) => ({
  name: `${value.replace('§', '')} as default of ${type}`,
  sdl: `${NESTED}type A @table { ${KEY}\n  a: ${type} @default(value: ${value}) }`,
  says: [message],
}));

const GROUPS: Readonly<Record<string, readonly Case[]>> = {
  'A1: a syntax error names line and column': SYNTAX,
  'A2: a typo names its place and what was meant': TYPOS,
  'A3: keys and names': KEYS_AND_NAMES,
  'directives in use': USES,
  'what GraphQL has and tables do not': REFUSED,
  'defaults that do not fit': [...DEFAULTS, ...DEFAULTS_IN_PARTS],
};

describe.each(Object.entries(GROUPS))('%s', (_, cases) => {
  test.each(cases)('refuses $name', ({ sdl, says }) => {
    const { text, places } = readMarks(sdl);
    expect(mistakesOf(text)).toEqual(says.map((sentence, index) => `${places[index]} ${sentence}`));
  });
});
