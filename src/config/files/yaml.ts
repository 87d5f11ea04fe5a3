import { type Document, isAlias, isMap, isScalar, isSeq, type Node, parseDocument, type Scalar, visit } from 'yaml';
import type { Wrong } from '../keys/units.ts';
import { type Environment, interpolate, isInterpolated, isWhollyInterpolated } from './interpolate.ts';
import type { Report } from './report.ts';
import type { SourceFile } from './source.ts';

/** Aliases of a file: each is looked up in the whole file, and aliases of aliases multiply. */
const MAX_ALIASES = 100;
/** Nodes of one value, aliases resolved. */
const MAX_NODES = 10_000;
/** Levels of nesting of a value; no key of config.yaml is nested deeper. */
const MAX_DEPTH_LEVELS = 8;

/** Parsed config.yaml: returns the entries of its mappings with their locations, and reports errors of YAML. */
export class YamlFile {
  readonly source: SourceFile;
  readonly #document: Document.Parsed;
  readonly #report: Report;
  readonly #env: Environment;
  readonly #isUnreadable: boolean;
  #failures = 0;
  #mayBeUnset = false;
  #nodes = 0;

  constructor(source: SourceFile, { report, env }: { report: Report; env: Environment }) {
    this.source = source;
    this.#report = report;
    this.#env = env;
    // `entries` finds duplicate keys: the library would compare every key with every other.
    this.#document = parseDocument(source.text, {
      schema: 'core',
      merge: false,
      uniqueKeys: false,
      prettyErrors: false,
    });
    const faults = [...this.#document.errors, ...this.#document.warnings];
    for (const { code, message, pos } of faults) {
      this.wrong(pos[0], { message: SENTENCES[code] ?? firstSmall(message) });
    }
    this.#isUnreadable = faults.length > 0 || this.#hasManyAliases();
  }

  /** Root node; null when the file is empty or has errors, since its content would only be a guess. */
  get root(): Node | null {
    return this.#isUnreadable ? null : this.#document.contents;
  }

  wrong(offset: number, wrong: Wrong): void {
    this.#report.add(this.source.diagnose(this.source.locate(offset), wrong));
  }

  isMapping(node: Node | null): boolean {
    return isMap(this.#resolve(node));
  }

  /** Returns the entries of a mapping; undefined for another node. Keys that are wrong are reported. */
  entries(node: Node | null): YamlEntry[] | undefined {
    const map = this.#resolve(node);
    if (!isMap(map)) return undefined;
    const entries: YamlEntry[] = [];
    const seen = new Set<string>();
    for (const { key, value } of map.items) {
      const keyNode = key as Node;
      const offset = startOf(keyNode);
      if (!isScalar(keyNode)) {
        this.wrong(offset, { message: 'a key must be a plain word' });
        continue;
      }
      const name = String(keyNode.value);
      if (seen.has(name)) this.wrong(offset, { message: `key "${name}" is given twice`, hint: 'remove one of them' });
      seen.add(name);
      entries.push({ name, offset, value: value as Node | null });
    }
    return entries;
  }

  /** Returns the entries of a mapping whose mistakes are already reported; of equal keys the last one counts. */
  entriesAgain(node: Node | null): YamlEntry[] {
    const map = this.#resolve(node);
    if (!isMap(map)) return [];
    return map.items.flatMap(({ key, value }) =>
      isScalar(key) ? [{ name: String(key.value), offset: startOf(key), value: value as Node | null }] : [],
    );
  }

  /** Returns the nodes of a list; empty for another node. */
  items(node: Node | null): (Node | null)[] {
    const list = this.#resolve(node);
    return isSeq(list) ? list.items.map((item) => item as Node | null) : [];
  }

  /**
   * Returns the plain data of a node with variables replaced; undefined when that failed, which is reported. `mayBeUnset`:
   * uses the environment's stand-in, if it has one, for variables that are not set.
   */
  read(node: Node | null, mayBeUnset = false): { readonly value: unknown } | undefined {
    const before = this.#failures;
    this.#nodes = 0;
    this.#mayBeUnset = mayBeUnset;
    const value = this.#toPlain(node, 0);
    return this.#failures === before ? { value } : undefined;
  }

  /** True when a part of the node comes from the environment: then messages must not contain its content. */
  isFromEnvironment(node: Node | null): boolean {
    let found = false;
    visit(this.#resolve(node) ?? null, {
      Scalar: (_, { value }) => {
        found ||= typeof value === 'string' && isInterpolated(value);
      },
    });
    return found;
  }

  #fail(offset: number, wrong: Wrong): undefined {
    this.#failures += 1;
    this.wrong(offset, wrong);
    return undefined;
  }

  #toPlain(node: Node | null, depth: number): unknown {
    const resolved = this.#resolve(node);
    if (isAlias(node) && resolved === null) {
      return this.#fail(startOf(node), { message: `there is no anchor "&${node.source}"` });
    }
    this.#nodes += 1;
    if (this.#nodes > MAX_NODES) return this.#fail(startOf(node), { message: 'too many values' });
    if (depth > MAX_DEPTH_LEVELS) return this.#fail(startOf(node), { message: 'nested too deeply' });
    if (isSeq(resolved)) return resolved.items.map((item) => this.#toPlain(item as Node | null, depth + 1));
    if (isMap(resolved)) {
      const entries = this.entries(resolved) ?? [];
      return Object.fromEntries(entries.map(({ name, value }) => [name, this.#toPlain(value, depth + 1)]));
    }
    return isScalar(resolved) ? this.#fillIn(resolved) : null;
  }

  #fillIn(scalar: Scalar): unknown {
    const { value } = scalar;
    if (typeof value !== 'string' || !isInterpolated(value)) return value;
    const filled = interpolate(value, this.#env, this.#mayBeUnset);
    if ('message' in filled) return this.#fail(startOf(scalar), filled);
    // A value in quotes is a string, as everywhere in YAML; without them `port: ${PORT}` is a number.
    return scalar.type === 'PLAIN' && isWhollyInterpolated(value) ? readScalar(filled.value) : filled.value;
  }

  #resolve(node: Node | null): Node | null {
    return isAlias(node) ? (node.resolve(this.#document) ?? null) : node;
  }

  #hasManyAliases(): boolean {
    let count = 0;
    visit(this.#document, {
      Alias: (_, alias) => {
        count += 1;
        if (count <= MAX_ALIASES) return undefined;
        this.wrong(startOf(alias), { message: `more than ${MAX_ALIASES} aliases`, hint: 'write the values out' });
        return visit.BREAK;
      },
    });
    return count > MAX_ALIASES;
  }
}

export interface YamlEntry {
  readonly name: string;
  /** Offset of the key in the file, in characters. */
  readonly offset: number;
  readonly value: Node | null;
}

export function startOf(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}

const SENTENCES: Readonly<Record<string, string>> = {
  RESOURCE_EXHAUSTION: 'nested too deeply',
  MULTIPLE_DOCS: 'more than one document in the file',
  TAG_RESOLVE_FAILED: 'tags (words that begin with "!") are not allowed',
};

function firstSmall(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/** Parses a text as a YAML scalar: a number, a boolean, or the text itself. */
function readScalar(text: string): unknown {
  const { contents, errors } = parseDocument(text, { schema: 'core', merge: false, prettyErrors: false });
  return errors.length === 0 && isScalar(contents) ? contents.value : text;
}
