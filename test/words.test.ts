import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { listPages, readProse } from './support/pages.ts';

const SRC = fileURLToPath(new URL('../src', import.meta.url));

/** Folders for which a check does not hold yet. */
const EXCLUDED: Readonly<Record<'openings' | 'persons' | 'retired' | 'types' | 'bounds', readonly string[]>> = {
  openings: [],
  persons: [],
  retired: [],
  types: [],
  bounds: [],
};

/** Share of doc comments that may open with a pronoun or an interrogative, in percent. */
const MAX_OPENINGS_PERCENT = 3;
/** Files in which a private type may have the same name. */
const MAX_FILES_PER_PRIVATE_TYPE = 2;

/** A doc comment opens with a noun or with a verb in the third person. */
const OPENING =
  /^(?:what|which|who|whom|whose|whoever|whatever|whether|where|why|how|one|it|its|this|that|these|those|they|them|their|he|she|we|you|nobody|somebody|everybody|anybody|nothing|something|everything|anything)\b/i;
/** Code is a client, a caller, a request, a reader, a subscriber, and no person. */
const PERSON = /\b(?:he|his|him|himself|whoever|nobody|somebody)\b/i;

/** Words that identifiers no longer have, as a whole or as a part (`guestOf`, `NO_DOORS`). */
const RETIRED_WORDS = new Set(
  `door doors house guest guests visitor visitors visits lane lanes turns sweeper swept stalls verdict verdicts rejudge
  gate gates wish wishes untold told muted whoever`.split(/\s+/),
);
/** Identifiers that have a new name. */
const RETIRED_NAMES = new Set(
  `checkAgain takeTurn atTurnEnd afterCommits unvisited fellBehind Once OnceTable onceOf InProgress GroupCommit FlushedStore
  leaveFlushing RowMemory ReadTurn Concern isReshaped Standing askForToken SentRecords JsonLines wishOf Exchange answerWith
  LastingChannel atWork membersOf dataOf textsOf`.split(/\s+/),
);

/** Words of constants that are bounds: they are MAX_… or MIN_… with their unit. */
const BOUND = /^(?:MOST|LONGEST|LARGEST|DEEPEST|KEPT|FEW|SOME|CAPACITY)(?:_|$)|(?:^|_)(?:CAPACITY|AT_ONCE)$/;

interface TypeName {
  readonly name: string;
  readonly isExported: boolean;
}

interface SourceWords {
  /** Path below `src`, with slashes. */
  readonly path: string;
  readonly comments: readonly { readonly line: number; readonly text: string; readonly isDoc: boolean }[];
  /** Strings of more than one word, and the parts of templates: what clients, operators and developers read. */
  readonly sentences: readonly { readonly line: number; readonly text: string }[];
  /** Without `#`, each once. */
  readonly identifiers: ReadonlySet<string>;
  /** Names of constants at the top of the module. */
  readonly constants: readonly string[];
  readonly types: readonly TypeName[];
}

function readWords(path: string): SourceWords {
  const text = readFileSync(join(SRC, path), 'utf8');
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const comments = new Map<number, { line: number; text: string; isDoc: boolean }>();
  const identifiers = new Set<string>();
  const sentences: { line: number; text: string }[] = [];
  const visit = (node: ts.Node): void => {
    if (node.kind >= ts.SyntaxKind.FirstJSDocNode && node.kind <= ts.SyntaxKind.LastJSDocNode) return;
    if (ts.isIdentifier(node) || ts.isPrivateIdentifier(node)) identifiers.add(node.text.replace('#', ''));
    if ((ts.isStringLiteralLike(node) || ts.isTemplateLiteralToken(node)) && node.text.includes(' ')) {
      sentences.push({ line: source.getLineAndCharacterOfPosition(node.getStart()).line + 1, text: node.text });
    }
    const children = node.getChildren(source);
    for (const child of children) visit(child);
    if (children.length > 0) return;
    // Between two tokens there are only blanks and comments.
    for (const { pos, end } of commentsBefore(text, node)) {
      const { line } = source.getLineAndCharacterOfPosition(pos);
      comments.set(pos, { line: line + 1, text: plainText(text.slice(pos, end)), isDoc: text.startsWith('/**', pos) });
    }
  };
  visit(source);
  return {
    path: path.split(sep).join('/'),
    comments: [...comments.values()],
    sentences,
    identifiers,
    constants: source.statements.flatMap((node) =>
      ts.isVariableStatement(node) ? node.declarationList.declarations.map(({ name }) => name.getText(source)) : [],
    ),
    types: source.statements.flatMap(typeName),
  };
}

function commentsBefore(text: string, token: ts.Node): readonly ts.CommentRange[] {
  const pos = token.getFullStart();
  return [...(ts.getLeadingCommentRanges(text, pos) ?? []), ...(ts.getTrailingCommentRanges(text, pos) ?? [])];
}

/** The prose of a comment, without its marks and without code. */
function plainText(comment: string): string {
  const lines = comment.split('\n').map((line) => line.replace(/^\s*(?:\/\*\*?|\*\/|\*|\/\/)?\s*|\s*\*\/$/g, ''));
  return lines
    .join('\n')
    .replace(/```[\s\S]*?```/g, '')
    .replace(/`[^`]*`/g, '`…`')
    .trim();
}

function typeName(node: ts.Statement): readonly TypeName[] {
  const isType = ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node) || ts.isClassDeclaration(node);
  if (!isType || node.name === undefined) return [];
  const isExported = node.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false;
  return [{ name: node.name.text, isExported }];
}

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map(readWords);

function held(check: keyof typeof EXCLUDED): readonly SourceWords[] {
  const excluded = new Set(EXCLUDED[check]);
  return sources.filter(({ path }) => !excluded.has(path.split('/')[0] ?? ''));
}

function isRetired(identifier: string): boolean {
  const words = identifier.split(/_|(?<=[a-z0-9])(?=[A-Z])/).map((word) => word.toLowerCase());
  return RETIRED_NAMES.has(identifier) || words.some((word) => RETIRED_WORDS.has(word));
}

/** Types of the server by name: the client is a program of its own. `src/index.ts` declares none. */
function serverTypes(): ReadonlyMap<string, readonly (TypeName & { readonly path: string })[]> {
  const types = new Map<string, (TypeName & { path: string })[]>();
  for (const { path, types: declared } of sources) {
    if (path.startsWith('client/')) continue;
    for (const type of declared) types.set(type.name, [...(types.get(type.name) ?? []), { ...type, path }]);
  }
  return types;
}

/** Words that pages do not use, with the words to write instead. */
const PAGE_WORDS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\b(?:whoever|nobody|somebody|anybody|everybody)\b/i, 'a client, a user, the caller, everyone'],
  [/\b(?:he|him|his|himself|whom)\b/i, 'they, the user'],
  [/\btold\b/i, 'reported, sent, notified'],
  [/\bmistakes?\b/i, 'error'],
  [/\btexts\b/i, 'strings'],
  [/\b(?:doors?|verdicts?|afresh)\b|\bfor ever\b/i, 'transport, decision, again, never ends'],
  [/\bare taken\b/i, 'are accepted'],
  [/\bgiven out\b|\btaken for\b|\blet go\b/i, 'returned, considered, disconnected'],
];
/** Words that errors, the command line and the API documents do not use, with the words to write instead. */
const SENTENCE_WORDS: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\b(?:whoever|nobody|somebody|anybody|everybody|he|him|his|whom)\b/i, 'a client, a user, the caller'],
  [/\b(?:told|mistakes?|afresh|verdicts?|shown who)\b/i, 'reported, error, again, decision, authenticated'],
  [
    /\bgo(?:es)? together\b|\bon our side\b|\bis spoken\b|\bsmall letters\b/i,
    'be combined, internal, supported, lower case',
  ],
  [/\bwhole number\b|\bhas no member\b|\btakes true or false\b/i, 'integer, has no property, must be true or false'],
];
/** Pages that are not rewritten: a changelog keeps the words of its releases. */
const HISTORY: ReadonlySet<string> = new Set(['CHANGELOG.md']);

describe('the words of the pages', () => {
  const pages = listPages().filter((page) => /^(?:docs\/|apps\/|[A-Z]+\.md$)/.test(page) && !HISTORY.has(page));

  test.each(PAGE_WORDS)('have no %s', (pattern, instead) => {
    expect(pages.length).toBeGreaterThan(40);
    const wrong = pages.flatMap((page) =>
      readProse(page)
        .replace(/`[^`\n]*`/g, '`…`')
        .split('\n')
        .filter((line) => pattern.test(line))
        .map((line) => `${page}: ${line.trim().slice(0, 120)}`),
    );
    expect(wrong, `write: ${instead}`).toEqual([]);
  });
});

describe('the words of the sources', () => {
  test.each(SENTENCE_WORDS)('sentences have no %s', (pattern, instead) => {
    const sentences = sources.flatMap(({ path, sentences: own }) => own.map((sentence) => ({ path, ...sentence })));
    expect(sentences.length).toBeGreaterThan(2000);
    const wrong = sentences.filter(({ text }) => pattern.test(text));
    expect(
      wrong.map(({ path, line, text }) => `${path}:${line} ${text}`),
      `write: ${instead}`,
    ).toEqual([]);
  });

  test('doc comments open with a noun or a verb', () => {
    const docs = held('openings').flatMap(({ path, comments }) =>
      comments
        .filter(({ isDoc }) => isDoc)
        .map(({ line, text }) => ({ place: `${path}:${line} ${text.slice(0, 60)}`, text })),
    );
    const wrong = docs.filter(({ text }) => OPENING.test(text)).map(({ place }) => place);
    const percent = (100 * wrong.length) / docs.length;
    const found = `${wrong.length} of ${docs.length} (${percent.toFixed(1)} %):\n${wrong.join('\n')}`;
    expect(docs.length).toBeGreaterThan(0);
    expect(percent, found).toBeLessThan(MAX_OPENINGS_PERCENT);
  });

  test('comments speak of no persons', () => {
    const wrong = held('persons').flatMap(({ path, comments }) =>
      comments.filter(({ text }) => PERSON.test(text)).map(({ line, text }) => `${path}:${line} ${text}`),
    );
    expect(wrong).toEqual([]);
  });

  test('identifiers have no retired words', () => {
    const wrong = held('retired').flatMap(({ path, identifiers }) =>
      [...identifiers].filter(isRetired).map((name) => `${path} ${name}`),
    );
    expect(wrong).toEqual([]);
  });

  test('a type of the server has its name for itself', () => {
    const paths = new Set(held('types').map(({ path }) => path));
    const wrong = [...serverTypes()].flatMap(([name, types]) => {
      if (!types.some(({ path }) => paths.has(path))) return [];
      const isExported = types.some((type) => type.isExported);
      const isFine = types.length <= (isExported ? 1 : MAX_FILES_PER_PRIVATE_TYPE);
      return isFine ? [] : [`${name}: ${types.map(({ path }) => path).join(', ')}`];
    });
    expect(wrong).toEqual([]);
  });

  test('bounds are MAX_ or MIN_', () => {
    const wrong = held('bounds').flatMap(({ path, constants }) =>
      constants.filter((name) => BOUND.test(name)).map((name) => `${path} ${name}`),
    );
    expect(wrong).toEqual([]);
  });
});
