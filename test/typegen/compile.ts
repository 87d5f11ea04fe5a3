import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Errors of the compiler in the files of an application, in which `tablecast` is this package: `file:line message`. Declaration
 * files are checked, too, unless `skipLibCheck` is true.
 */
export function compile(files: Readonly<Record<string, string>>, { skipLibCheck = false } = {}): string[] {
  const dir = mkdtempSync(join(tmpdir(), 'tablecast-types-'));
  try {
    writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
    const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
    const roots = Object.keys(files).map((name) => join(dir, name));
    const program = ts.createProgram(roots, {
      ...options,
      noEmit: true,
      skipLibCheck,
      typeRoots: [join(ROOT, 'node_modules/@types')],
      paths: {
        tablecast: [join(ROOT, 'src/index.ts')],
        'tablecast/client': [join(ROOT, 'src/client/index.ts')],
        'tablecast/optimistic': [join(ROOT, 'src/client/optimistic/optimistic.ts')],
      },
    });
    return roots.flatMap((path, index) => {
      const source = program.getSourceFile(path);
      const wrong = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
      return wrong.map(({ messageText, start = 0 }) => {
        const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
        return `${Object.keys(files)[index]}:${line} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
      });
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
}
