import type { Node } from 'yaml';
import { isSeq } from 'yaml';
import { CONFIG_KEYS, isKey, type Keys, type ListedKey } from '../keys/keys.ts';
import { readSection } from '../keys/section.ts';
import type { Wrong } from '../keys/units.ts';
import { nameKind, toSnakeCase } from '../keys/values.ts';
import type { SourceLocation } from './diagnostic.ts';
import { type Environment, readOrStandIn } from './interpolate.ts';
import type { Report } from './report.ts';
import { diagnoseFile, type SourceFile } from './source.ts';
import { suggest } from './suggest.ts';
import { startOf, type YamlEntry, YamlFile } from './yaml.ts';

/** Role of a file, which decides its keys: the only application, one of several, or the folder of several. */
export type FileRole = 'alone' | 'member' | 'folder';

interface Setting {
  readonly value: unknown;
  readonly key: SourceLocation;
  readonly at: SourceLocation;
  readonly itemsAt: readonly SourceLocation[];
}

interface ConfigFileOptions {
  readonly report: Report;
  readonly env: Environment;
  readonly role: FileRole;
}

const BY_PATH = new Map(CONFIG_KEYS.map((listed) => [listed.path, listed]));
const SECTIONS = new Set(CONFIG_KEYS.flatMap(({ path }) => (path.includes('.') ? [path.replace(/\.[^.]*$/, '')] : [])));

/** Sections with secrets. Only the server uses them, so other commands accept variables that are not set. */
const SECRETS = /^(?:auth|connectors|flows)\b/;

/** Settings of one config.yaml, checked key by key. Values that are wrong are reported and left out. */
export class ConfigFile {
  /** Name of the file in diagnostics. */
  readonly shown: string;
  readonly #source: SourceFile | undefined;
  readonly #report: Report;
  readonly #values = new Map<string, Setting>();
  /** Locations of the keys and sections, including those whose value is wrong. */
  readonly #written = new Map<string, SourceLocation>();
  readonly #sections = new Set<string>();
  /** Notices about server keys in the file of one application among several, which have no effect. */
  readonly ignored: string[] = [];

  constructor(shown: string, source: SourceFile | undefined, options: ConfigFileOptions) {
    this.shown = shown;
    this.#source = source;
    this.#report = options.report;
    if (source === undefined) return;
    const yaml = new YamlFile(source, options);
    if (yaml.root !== null) this.#readSection(yaml, { node: yaml.root, prefix: '', role: options.role });
  }

  has(path: string): boolean {
    return this.#values.has(path);
  }

  /** True when the key or section is in the file, even if its value is wrong. */
  isWritten(path: string): boolean {
    return this.#written.has(path);
  }

  /** True when the path is a section of the file. */
  isSection(path: string): boolean {
    return this.#sections.has(path);
  }

  /** Builds the typed configuration of a key table: the written values, else the defaults. */
  build<T>(keys: Keys<T>, prefix = ''): T {
    const entries = Object.entries<unknown>(keys).map(([name, entry]) => {
      const path = prefix + toSnakeCase(name);
      if (!isKey(entry)) return [name, this.build(entry as Keys<unknown>, `${path}.`)];
      const setting = this.#values.get(path);
      if (setting !== undefined) return [name, setting.value];
      const reading = entry.default === undefined ? { value: undefined } : entry.read(entry.default);
      return [name, 'value' in reading ? reading.value : undefined];
    });
    // The type of the table holds every member of T, and each key reads its member's type.
    return Object.fromEntries(entries) as T;
  }

  /** Reports a mistake at the value of a key, at an item of its list, or at the file when nothing was written. */
  wrong(path: string, wrong: Wrong, item?: number): void {
    const setting = this.#values.get(path);
    const at = (item === undefined ? undefined : setting?.itemsAt[item]) ?? setting?.at ?? this.#written.get(path);
    const { message, hint } = wrong;
    if (at === undefined || this.#source === undefined) this.#report.add(diagnoseFile(this.shown, message, hint));
    else this.#report.add(this.#source.diagnose(at, wrong));
  }

  #readSection(yaml: YamlFile, { node, prefix, role }: { node: Node | null; prefix: string; role: FileRole }): void {
    const entries = yaml.entries(node);
    if (entries === undefined) {
      const found = nameKind(yaml.read(node)?.value);
      // A section without content is accepted: all of its lines may be commented out.
      if (found === 'nothing') return;
      const what = prefix === '' ? 'the file' : prefix.slice(0, -1);
      yaml.wrong(startOf(node), { message: `expected keys and values in ${what}, found ${found}` });
      return;
    }
    for (const entry of entries) this.#readEntry(yaml, entry, { prefix, role });
  }

  #readEntry(yaml: YamlFile, entry: YamlEntry, { prefix, role }: { prefix: string; role: FileRole }): void {
    const path = prefix + entry.name;
    const listed = BY_PATH.get(path);
    if (!this.#written.has(path)) this.#written.set(path, yaml.source.locate(entry.offset));
    if (SECTIONS.has(path) && (listed === undefined || yaml.isMapping(entry.value))) {
      this.#sections.add(path);
      this.#readSection(yaml, { node: entry.value, prefix: `${path}.`, role });
      return;
    }
    if (listed === undefined) {
      const hint = this.#report.isFull ? undefined : hintForUnknown(entry.name, prefix);
      yaml.wrong(entry.offset, { message: `unknown key "${path}"`, ...(hint ? { hint } : {}) });
      return;
    }
    const at = yaml.source.locate(entry.offset);
    if (role === 'folder' && listed.scope === 'app') {
      const message = `"${path}" belongs in the config.yaml of one application`;
      yaml.wrong(entry.offset, { message, hint: 'move it there; this file is for the server that runs them all' });
      return;
    }
    if (role === 'member' && listed.scope === 'server') {
      this.ignored.push(
        `${at.file}:${at.line}:${at.column} "${path}" is ignored: applications of one folder share a server, whose settings are in the config.yaml of the folder; write it there`,
      );
    }
    this.#readValue(yaml, entry, listed);
  }

  #readValue(yaml: YamlFile, entry: YamlEntry, { path, key }: ListedKey): void {
    const plain = yaml.read(entry.value, SECRETS.test(path));
    if (plain === undefined) return;
    const at = yaml.source.locate(plain.value === null ? entry.offset : startOf(entry.value));
    if (plain.value === null) {
      const meant = key.default === undefined || Array.isArray(key.default) ? '' : `, or write "${key.default}"`;
      yaml.wrong(entry.offset, { message: `"${path}" has no value`, hint: `remove the line${meant}` });
      return;
    }
    const reading = readOrStandIn(plain.value, (value) => key.read(value));
    if ('message' in reading) {
      const message = yaml.isFromEnvironment(entry.value)
        ? 'the environment variable does not give a value that fits'
        : reading.message;
      yaml.wrong(startOf(entry.value), { ...reading, message: `${path}: ${message}` });
      return;
    }
    const value = key.isSection
      ? readSection(yaml, { path, node: entry.value, keyOffset: entry.offset, value: plain.value })
      : reading.value;
    const items = isSeq(entry.value) ? entry.value.items : [];
    const itemsAt = items.map((item) => yaml.source.locate(startOf(item as Node)));
    this.#values.set(path, { value, key: yaml.source.locate(entry.offset), at, itemsAt });
  }
}

function hintForUnknown(name: string, prefix: string): string | undefined {
  if (name === '<<') return 'merge keys are not supported: write the keys out';
  const siblings = [...BY_PATH.keys(), ...SECTIONS]
    .filter((path) => path.startsWith(prefix) && !path.slice(prefix.length).includes('.'))
    .map((path) => path.slice(prefix.length));
  const near = suggest(name, siblings);
  if (near !== undefined) return near;
  const elsewhere = [...BY_PATH.keys()].find((path) => path === name || path.endsWith(`.${name}`));
  return elsewhere === undefined ? undefined : `did you mean "${elsewhere}"?`;
}
