// Removes the declarations that no entry of the package leads to: files, and within a file its statements. What the
// server's own modules declare stays only as far as a public type mentions it.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const { exports: entries } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
const roots = Object.values(entries).flatMap(({ types }) => (types === undefined ? [] : [join(ROOT, types)]));

const program = ts.createProgram(roots, {
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  allowImportingTsExtensions: true,
  noEmit: true,
  types: [],
});
const checker = program.getTypeChecker();
const isOurs = (file) => file.fileName.startsWith(`${DIST}/`);
const isLink = (statement) => ts.isImportDeclaration(statement) || ts.isExportDeclaration(statement);

/** Statements that stay, and the names of links between modules that they use. */
const kept = new Set();
const open = [];

/** The statement of a module that a node is part of. */
function statementOf(node) {
  let at = node;
  while (at.parent !== undefined && !ts.isSourceFile(at.parent)) at = at.parent;
  return at;
}

/** Keeps what declares a symbol, and follows its aliases from module to module. */
function keep(symbol) {
  for (let at = symbol; at !== undefined; ) {
    for (const declaration of at.declarations ?? []) {
      if (ts.isSourceFile(declaration) || !isOurs(declaration.getSourceFile())) continue;
      const statement = statementOf(declaration);
      if (!isLink(statement) && !kept.has(statement)) open.push(statement);
      kept.add(declaration).add(statement);
    }
    at = at.flags & ts.SymbolFlags.Alias ? checker.getImmediateAliasedSymbol(at) : undefined;
  }
}

function visit(node) {
  if (ts.isIdentifier(node)) keep(checker.getSymbolAtLocation(node));
  ts.forEachChild(node, visit);
}

for (const root of roots) {
  const module = checker.getSymbolAtLocation(program.getSourceFile(root));
  for (const symbol of checker.getExportsOfModule(module)) keep(symbol);
}
for (let statement = open.pop(); statement !== undefined; statement = open.pop()) visit(statement);

/** The part of a list of names in braces that stays. */
function namesOf(elements) {
  const names = elements.filter((element) => kept.has(element)).map((element) => element.getText());
  return names.length === 0 ? undefined : `{ ${names.join(', ')} }`;
}

/** An import or export with the names that stay; undefined for none. */
function linkText(link) {
  const from = link.moduleSpecifier?.getText();
  if (ts.isExportDeclaration(link)) {
    if (link.exportClause === undefined || !ts.isNamedExports(link.exportClause)) return link.getText();
    const names = namesOf(link.exportClause.elements);
    return names && `export ${link.isTypeOnly ? 'type ' : ''}${names}${from ? ` from ${from}` : ''};`;
  }
  const { name, namedBindings, isTypeOnly } = link.importClause ?? {};
  const bound =
    namedBindings && (ts.isNamedImports(namedBindings) ? namesOf(namedBindings.elements) : allOf(namedBindings));
  const parts = [name && kept.has(link.importClause) ? name.text : undefined, bound].filter(Boolean);
  return parts.length === 0 ? undefined : `import ${isTypeOnly ? 'type ' : ''}${parts.join(', ')} from ${from};`;
}

const allOf = (binding) => (kept.has(binding) ? binding.getText() : undefined);

const written = new Set();
for (const file of program.getSourceFiles().filter(isOurs)) {
  const isRoot = roots.includes(file.fileName);
  if (!isRoot && !file.statements.some((statement) => !isLink(statement) && kept.has(statement))) continue;
  const texts = file.statements.map((statement) => {
    if (isLink(statement)) return linkText(statement);
    return kept.has(statement) ? statement.getFullText().trim() : undefined;
  });
  written.add(file.fileName);
  writeFileSync(file.fileName, `${texts.filter((text) => text !== undefined).join('\n')}\n`);
}

for (const entry of readdirSync(DIST, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile() && file.endsWith('.d.ts') && !written.has(file)) rmSync(file);
}
