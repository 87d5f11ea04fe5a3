import { describe, expect, test, vi } from 'vitest';
import { COMMANDS } from '../src/commands/commands.ts';
import { help } from '../src/commands/help.ts';
import { CONFIG_KEYS } from '../src/config/keys/keys.ts';
import { ERRORS } from '../src/errors.ts';
import { readPage } from './support/pages.ts';

/** Cells of the rows whose first cell is code. */
function readRows(text: string): string[][] {
  return [...text.matchAll(/^\| (`.+) \|$/gm)].map(([, row = '']) => row.split(' | '));
}

describe('docs/reference/errors.md', () => {
  const text = readPage('docs/reference/errors.md');

  test('has every code with its status and title, and what to do', () => {
    const [, section = ''] = text.split('\n## Codes\n');
    const rows = readRows(section.split('\n### ')[0] ?? '');
    expect(rows.map(([code, status, title]) => [code, status, title])).toEqual(
      Object.entries(ERRORS).map(([code, { status, title }]) => [`\`${code}\``, String(status), title]),
    );
    expect(rows.filter(([, , , advice = '']) => advice.length < 10)).toEqual([]);
  });
});

describe('docs/reference/limits.md', () => {
  test('has every limit once, with its default', () => {
    const rows = readRows(readPage('docs/reference/limits.md'));
    const keys = new Map(CONFIG_KEYS.map(({ path, key }) => [`\`${path}\``, key.shownDefault ?? `\`${key.default}\``]));
    expect(rows.filter(([path = '', shown]) => keys.get(path) !== shown)).toEqual([]);
    const listed = rows.map(([path]) => path);
    expect(new Set(listed).size).toBe(listed.length);
    expect([...keys.keys()].filter((path) => path.startsWith('`limits.') && !listed.includes(path))).toEqual([]);
  });
});

describe('docs/reference/cli.md', () => {
  const text = readPage('docs/reference/cli.md');

  test.each(Object.keys(COMMANDS).filter((name) => !/^(?:help|version)$/.test(name)))('has the help of %s', (name) => {
    let printed = '';
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      printed += String(chunk);
      return true;
    });
    try {
      help({ args: name.split(' ') } as unknown as Parameters<typeof help>[0]);
    } finally {
      write.mockRestore();
    }
    expect(text).toContain(`### ${name}\n\n\`\`\`text\n${printed.trim()}\n\`\`\`\n`);
  });
});
