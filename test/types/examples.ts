import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** An `@example` of a doc comment. */
export interface Example {
  /** Name of the declaration, `Table.live` for a method. */
  readonly name: string;
  /** File to which the example belongs, from its first line: `my-app/routes/hello.ts`. */
  readonly file: string;
  readonly code: string;
}

/** Every `@example` in the doc comments of src. Throws for one that has no file name. */
export function findExamples(): readonly Example[] {
  const paths = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
  return paths.sort().flatMap((path) => {
    const text = readFileSync(join(SRC, path), 'utf8');
    if (!text.includes('@example')) return [];
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const found: Example[] = [];
    const visit = (node: ts.Node, outer: string): void => {
      const isNamed = (ts.isDeclarationStatement(node) || ts.isClassElement(node)) && node.name !== undefined;
      const name = isNamed ? `${outer === '' ? '' : `${outer}.`}${node.name.getText(source)}` : outer;
      if (isNamed) {
        const tags = ts.getJSDocTags(node).filter(({ tagName }) => tagName.text === 'example');
        found.push(...tags.map((tag) => readExample(name, text.slice(tag.pos, tag.end))));
      }
      ts.forEachChild(node, (child) => visit(child, name));
    };
    ts.forEachChild(source, (node) => visit(node, ''));
    return found;
  });
}

function readExample(name: string, tag: string): Example {
  const lines = tag.split('\n').map((line) => line.replace(/^\s*\* ?/, ''));
  const [, code = ''] = /```ts\n([\s\S]*?)\n```/.exec(lines.join('\n')) ?? [];
  const [, file] = /^\/\/ (\S+\.ts)\n/.exec(code) ?? [];
  if (file === undefined) throw new Error(`the example of ${name} does not begin with the name of its file`);
  return { name, file, code };
}
