// The packages that the build puts into the bundles, and the text of their licences, which have to ship with them.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';

const LICENCE_FILE = /^(?:licen[cs]e|copying)(?:[.-]|$)/i;
const COPYRIGHT = /^\s*(?:copyright|\(c\)|©)/i;
const HEADING = /^(?:the )?(?:MIT|ISC|BSD[ \w"'-]*|Apache[ \w.]*)? ?licen[cs]e(?: \((?:MIT|ISC)\))?:?$/i;

/** Collects packages from builds. */
export class BundledPackages {
  #folders = new Set();

  /** A plugin of Rolldown that notes the packages of a build. */
  get plugin() {
    return {
      name: 'bundled-packages',
      generateBundle: (_options, bundle) => {
        for (const file of Object.values(bundle)) {
          for (const id of file.type === 'chunk' ? Object.keys(file.modules) : []) this.#noteModule(id);
        }
      },
    };
  }

  add(folder) {
    this.#folders.add(folder);
  }

  /** Writes one text per licence, after the packages and the copyright notices that it belongs to. */
  write(file) {
    const byText = new Map();
    for (const found of [...this.#folders]
      .map(readPackage)
      .sort((one, other) => one.title.localeCompare(other.title))) {
      const same = byText.get(found.text) ?? { text: found.words, titles: [] };
      byText.set(found.text, same);
      same.titles.push([found.title, ...found.notices.map((notice) => `  ${notice}`)].join('\n'));
    }
    const parts = [...byText.values()].map(({ titles, text }) => `${[...new Set(titles)].join('\n')}\n\n${text}\n`);
    const intro = 'Packages that the files in this folder contain, and their licences.\n';
    writeFileSync(file, [intro, ...parts].join(`\n${'-'.repeat(80)}\n\n`));
  }

  #noteModule(id) {
    const path = id.replace(/^\0/, '').replace(/\?.*$/, '');
    if (!path.includes(`${sep}node_modules${sep}`) || !existsSync(path)) return;
    let folder = dirname(path);
    while (!isPackage(folder)) folder = dirname(folder);
    this.add(folder);
  }
}

/** A `package.json` without a name only sets the type of the modules below it. */
function isPackage(folder) {
  const file = join(folder, 'package.json');
  return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).name !== undefined;
}

function readPackage(folder) {
  const { name, version, license, author } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const file = readdirSync(folder).find((entry) => LICENCE_FILE.test(entry));
  const title = `${name} ${version} (${license})`;
  if (file === undefined) {
    const words = 'No text of the licence is in the package; its package.json names the licence and the author.';
    return { title, notices: [typeof author === 'string' ? author : (author?.name ?? '')], words, text: words };
  }
  const lines = readFileSync(join(folder, file), 'utf8').split(/\r?\n/);
  const notices = lines.filter((line) => COPYRIGHT.test(line)).map((line) => line.trim());
  const rest = lines.filter((line) => !COPYRIGHT.test(line) && !HEADING.test(line.trim()));
  const words = rest
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  return { title, notices, words, text: words.replace(/\s+/g, ' ') };
}
