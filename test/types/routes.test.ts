import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, test } from 'vitest';

const EXAMPLE = fileURLToPath(new URL('routes-example.ts', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../tsconfig.json', import.meta.url));

test('valid routes compile, invalid ones do not', { timeout: 60_000 }, () => {
  const { config } = ts.readConfigFile(CONFIG, ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(
    config.compilerOptions,
    fileURLToPath(new URL('../..', import.meta.url)),
  );
  const program = ts.createProgram([EXAMPLE], { ...options, noEmit: true });
  const source = program.getSourceFile(EXAMPLE);
  expect(source?.text.match(/@ts-expect-error/g)).toHaveLength(13);
  const wrong = [...program.getSemanticDiagnostics(source), ...program.getSyntacticDiagnostics(source)];
  expect(wrong.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});
