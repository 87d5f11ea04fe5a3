import type { Node } from 'yaml';
import type { Diagnostic, SourceLocation } from '../files/diagnostic.ts';
import { readOrStandIn } from '../files/interpolate.ts';
import type { Report } from '../files/report.ts';
import { diagnoseFile, type SourceFile } from '../files/source.ts';
import { suggest } from '../files/suggest.ts';
import { startOf, type YamlFile } from '../files/yaml.ts';
import { toSnakeCase } from './snake-case.ts';
import type { Wrong } from './units.ts';
import { type ConfigKey, nameKind } from './values.ts';

/** Where something was written: in a file, or nowhere at all. */
interface Place {
  readonly source: SourceFile | undefined;
  /** How the file is called in diagnostics. */
  readonly shown: string;
  /** Of the key that leads here. */
  readonly keyAt: SourceLocation | undefined;
  readonly at: SourceLocation | undefined;
}

/** Keys of one level, without sections below it. */
export type FlatKeys<T> = { readonly [K in keyof T]-?: ConfigKey<T[K]> };

/**
 * A part of config.yaml whose keys depend on what is written in it, such as a connector's on its type. It is read with
 * its places, so that whoever knows the keys checks it later and tells mistakes where they stand.
 */
export class Section {
  /** As in a message: `connectors.ws`. */
  readonly path: string;
  /** Plain data with the environment filled in; undefined when nothing was written. */
  readonly value: unknown;
  /** True when some of it came from the environment: then its content is not for messages. */
  readonly isSecret: boolean;
  readonly #place: Place;
  readonly #members: ReadonlyMap<string, Section>;
  readonly #items: readonly Section[];

  constructor(path: string, content: SectionContent, place: Place) {
    this.path = path;
    this.value = content.value;
    this.isSecret = content.isSecret;
    this.#members = content.members;
    this.#items = content.items;
    this.#place = place;
  }

  /** A section of a file that does not have it. */
  static absent(path: string, shown: string): Section {
    return new Section(path, NOTHING, { source: undefined, shown, keyAt: undefined, at: undefined });
  }

  get isMapping(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  /** What is below it by name; empty when it is no mapping. */
  get members(): ReadonlyMap<string, Section> {
    return this.#members;
  }

  /** The items of a list; empty when it is none. */
  get items(): readonly Section[] {
    return this.#items;
  }

  /** A mistake in its value. */
  diagnose(wrong: Wrong): Diagnostic {
    return this.#diagnoseAt(this.#place.at, wrong);
  }

  /** A mistake in the key that leads to it. */
  diagnoseKey(wrong: Wrong): Diagnostic {
    return this.#diagnoseAt(this.#place.keyAt, wrong);
  }

  /** What is written under a key, checked; undefined with a mistake in the report when it is wrong or missing. */
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
   * The typed value of a table of keys: what is written, else the default. `others`: keys that somebody else reads.
   * Undefined when something is wrong, with all mistakes, unknown keys among them, in the report.
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
    const { source, shown } = this.#place;
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

interface Part {
  readonly path: string;
  readonly node: Node | null;
  readonly keyOffset: number;
  readonly value: unknown;
}

/** The section at a node of a file, with the value that was read of it. */
export function readSection(yaml: YamlFile, { path, node, keyOffset, value }: Part): Section {
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
  const place = { source: yaml.source, shown: yaml.source.file, keyAt, at };
  return new Section(path, { value, isSecret: yaml.isFromEnvironment(node), members, items }, place);
}
