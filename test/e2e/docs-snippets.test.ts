import { describe, expect, test } from 'vitest';
import { type Block, DocSession, readBlocks } from '../support/doc-session.ts';
import { listFiles, readPage } from '../support/pages.ts';
import { isShown, isShownJson } from '../support/shown.ts';

const isPage = (path: string): boolean => path.endsWith('.md');
/** Pages of the reference that show how something is used, and not only what there is. */
const REFERENCE = listFiles('docs/reference').filter(
  (page) => isPage(page) && readBlocks(page).some(({ kind }) => kind === 'run'),
);
const PAGES = ['README.md', ...listFiles('docs/tutorials'), ...listFiles('docs/how-to'), ...REFERENCE].filter(isPage);
/** Pages with a test of their own: test/commands/get-started.test.ts, test/browser/template-react.test.ts. */
const ELSEWHERE = new Set(['docs/tutorials/get-started.md', 'docs/tutorials/react.md']);

/** Commands that a page may show without `run`: they install, start what goes on, or need a system of their own (those of PostgreSQL: test/store/postgres). */
const NOT_RUN =
  /^(?:#|npm (?:create|ci|install|run|start|test)\b|cd |kill |docker |sudo |pg_dump |pg_restore |psql |systemctl |journalctl |[\d*]+ [\d*]+ |(?:\w+=\S+ )+(?:docker|tablecast)|(?:npx )?tablecast (?:start|dev|restore)\b|curl https:|node dist\/cli\.js init|git )/;

/** The files that a session begins with, where a page does not write them. */
const ROOT_FILES = ['schema.graphql', 'config.yaml'];

async function perform(session: DocSession, block: Block): Promise<void> {
  const where = `line ${block.line}`;
  const shown = session.placed(block.text);
  switch (block.kind) {
    case 'file':
    case 'append':
      session.write(block.name, block.text, block.kind === 'append');
      break;
    case 'run':
      await (block.name === 'stream' ? session.begin(block.text) : session.run(block.text));
      break;
    case 'output': {
      const isJson = block.language === 'json';
      const fits = (actual: string): boolean =>
        isJson ? isShownJson(JSON.parse(shown), readJson(actual)) : isShown(shown, actual);
      if (block.name === 'stream') {
        await session.expectStream((text) => isShown(`…${shown.trim()}…`, text), `${where}: ${shown}`);
      } else if (!fits(session.last)) {
        expect.soft(session.last, where).toBe(shown.trim());
      }
      break;
    }
    default:
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

describe('what the pages show', () => {
  test.each(PAGES.filter((page) => !ELSEWHERE.has(page)))('holds in %s', { timeout: 300_000 }, async (page) => {
    const blocks = readBlocks(page);
    if (!blocks.some(({ kind }) => kind === 'run')) return;
    await using session = await DocSession.open();
    for (const name of ROOT_FILES) session.write(name, readPage(name));
    for (const block of blocks) await perform(session, block);
  });

  test.each(PAGES.filter((page) => !ELSEWHERE.has(page)))('is run in %s, wherever it can be', (page) => {
    const left = readBlocks(page)
      .filter(({ language, kind }) => /^(?:sh|bash)$/.test(language) && kind !== 'run')
      .flatMap(({ text, line }) =>
        text
          .replaceAll('\\\n', '')
          .split('\n')
          .map((command) => `line ${line}: ${command.trim()}`),
      )
      .filter((command) => !/: $/.test(command) && !NOT_RUN.test(command.replace(/^line \d+: /, '')));
    expect(left).toEqual([]);
  });
});

test('most tutorials and guides have blocks that are run', () => {
  const run = PAGES.filter((page) => readBlocks(page).some(({ kind }) => kind === 'run'));
  expect(run.length).toBeGreaterThan(0);
});
