import type { Node } from 'yaml';
import type { Diagnostic, SourceLocation } from '../files/diagnostic.ts';
import { readOrStandIn } from '../files/interpolate.ts';
import type { Report } from '../files/report.ts';
import { diagnoseFile, type SourceFile } from '../files/source.ts';
import { suggest } from '../files/suggest.ts';
import { startOf, type YamlFile } from '../files/yaml.ts';
import type { Wrong } from './units.ts';
import { type ConfigKey, nameKind, toSnakeCase } from './values.ts';

/** Location of a section; without a source when the file does not have it. */
interface SectionLocation {
  readonly source: SourceFile | undefined;
  /** Name of the file in diagnostics. */
  readonly shown: string;
  /** Location of the section's key. */
  readonly keyAt: SourceLocation | undefined;
  readonly at: SourceLocation | undefined;
}

/** Key table of one level, without nested sections. */
export type FlatKeys<T> = { readonly [K in keyof T]-?: ConfigKey<T[K]> };

/**
 * Part of config.yaml whose keys depend on its content, as those of a connector depend on its type. It keeps its locations,
 * so that the code that knows the keys can check it later and report mistakes at their lines.
 */
export class Section {
  /** Path in messages: `connectors.ws`. */
  readonly path: string;
  /** Plain data with variables replaced; undefined when the file does not have the section. */
  readonly value: unknown;
  /** True when a part of it came from the environment: then messages must not contain its content. */
  readonly isSecret: boolean;
  readonly #location: SectionLocation;
  readonly #members: ReadonlyMap<string, Section>;
  readonly #items: readonly Section[];

  constructor(path: string, content: SectionContent, location: SectionLocation) {
    this.path = path;
    this.value = content.value;
    this.isSecret = content.isSecret;
    this.#members = content.members;
    this.#items = content.items;
    this.#location = location;
  }

  /** Makes the section of a file that does not have it. */
  static absent(path: string, shown: string): Section {
    return new Section(path, NOTHING, { source: undefined, shown, keyAt: undefined, at: undefined });
  }

  get isMapping(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  /** Sections below it by name; empty when it is not a mapping. */
  get members(): ReadonlyMap<string, Section> {
    return this.#members;
  }

  /** Items of a list; empty when it is not a list. */
  get items(): readonly Section[] {
    return this.#items;
  }

  /** Makes a mistake at its value. */
  diagnose(wrong: Wrong): Diagnostic {
    return this.#diagnoseAt(this.#location.at, wrong);
  }

  /** Makes a mistake at its key. */
  diagnoseKey(wrong: Wrong): Diagnostic {
    return this.#diagnoseAt(this.#location.keyAt, wrong);
  }

  /** Reads the value of a key. Returns undefined when it is wrong or missing, which is added to the report. */
  readKey<T>(name: string, key: ConfigKey<T>, report: Report): { readonly value: T } | undefined {
    const path = `${this.path}.${name}`;
    const member = this.#members.get(name);
    if (member === undefined) {
      if (key.isRequired) {
        report.add(this.diagnoseKey({ message: `"${path}" is missing`, hint: `write \`${name}:\` (${key.type})` }));
        return undefined;
      }
      const reading = key.default === undefined ? { value: undefined as T } : key.read(key.default);
      return 'value' in reading ? reading : undefined;
    }
    if (member.value === null) {
      report.add(member.diagnoseKey({ message: `"${path}" has no value`, hint: 'remove the line' }));
      return undefined;
    }
    const reading = readOrStandIn(member.value, (value) => key.read(value));
    if ('value' in reading) return reading;
    const message = member.isSecret ? 'the environment variable does not give a value that fits' : reading.message;
    report.add(member.diagnose({ ...reading, message: `${path}: ${message}` }));
    return undefined;
  }

  /**
   * Reads the typed value of a key table: the written values, else the defaults. `others`: keys that other code reads.
   * Returns undefined when something is wrong; all mistakes, unknown keys included, are added to the report.
   */
  read<T>(keys: FlatKeys<T>, report: Report, others: readonly string[] = []): T | undefined {
    if (!this.isMapping && this.value !== undefined && this.value !== null) {
      const message = `expected keys and values in ${this.path}, found ${nameKind(this.value)}`;
      report.add(this.diagnose({ message }));
      return undefined;
    }
    const names = new Map(Object.keys(keys).map((name) => [toSnakeCase(name), name]));
    const known = [...names.keys(), ...others];
    let isWrong = false;
    for (const [name, member] of this.#members) {
      if (known.includes(name)) continue;
      isWrong = true;
      const hint = suggest(name, known) ?? `there are: ${known.join(', ')}`;
      report.add(member.diagnoseKey({ message: `unknown key "${this.path}.${name}"`, hint }));
    }
    const read = [...names].map(([written, name]) => {
      const reading = this.readKey(written, keys[name as keyof T], report);
      isWrong ||= reading === undefined;
      return [name, reading?.value];
    });
    // The type of the table holds every member of T, and each key reads its member's type.
    return isWrong ? undefined : (Object.fromEntries(read) as T);
  }

  #diagnoseAt(at: SourceLocation | undefined, wrong: Wrong): Diagnostic {
    const { source, shown } = this.#location;
    if (at === undefined || source === undefined) return diagnoseFile(shown, wrong.message, wrong.hint);
    return source.diagnose(at, wrong);
  }
}

interface SectionContent {
  readonly value: unknown;
  readonly isSecret: boolean;
  readonly members: ReadonlyMap<string, Section>;
  readonly items: readonly Section[];
}

const NOTHING: SectionContent = { value: undefined, isSecret: false, members: new Map(), items: [] };

interface SectionNode {
  readonly path: string;
  readonly node: Node | null;
  readonly keyOffset: number;
  readonly value: unknown;
}

/** Makes the section at a node of a file. `value` is the plain data of the node. */
export function readSection(yaml: YamlFile, { path, node, keyOffset, value }: SectionNode): Section {
  const members = new Map<string, Section>();
  const items: Section[] = [];
  if (Array.isArray(value)) {
    const nodes = yaml.items(node);
    value.forEach((item, index) => {
      const itemNode = nodes[index] ?? null;
      const part = { path: `${path}[${index}]`, node: itemNode, keyOffset: startOf(itemNode), value: item };
      items.push(readSection(yaml, part));
    });
  } else if (typeof value === 'object' && value !== null) {
    for (const { name, offset, value: below } of yaml.entriesAgain(node)) {
      const part = { path: `${path}.${name}`, node: below, keyOffset: offset };
      members.set(name, readSection(yaml, { ...part, value: (value as Record<string, unknown>)[name] }));
    }
  }
  const keyAt = yaml.source.locate(keyOffset);
  const at = value === null ? keyAt : yaml.source.locate(startOf(node));
  const location = { source: yaml.source, shown: yaml.source.file, keyAt, at };
  return new Section(path, { value, isSecret: yaml.isFromEnvironment(node), members, items }, location);
}
