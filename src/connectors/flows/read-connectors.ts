import type { Report } from '../../config/files/report.ts';
import { suggest } from '../../config/files/suggest.ts';
import { Section } from '../../config/keys/section.ts';
import { required, textKey } from '../../config/keys/values.ts';
import { CONNECTOR_LOADERS } from '../index.ts';
import type { ConnectorPlan } from './flow.ts';

/** A connector with its section, which is absent for one that is built in. */
export interface ReadConnector extends ConnectorPlan {
  readonly section: Section;
}

export interface FoundConnectors {
  /** Connectors by name, including built-in ones. */
  readonly known: ReadonlyMap<string, ReadConnector>;
  /** Names of connectors with a reported error. */
  readonly wrong: ReadonlySet<string>;
}

const TYPE = required(textKey(undefined, { what: 'Kind of the connector' }));

/** Checks a name, which is used in URLs, labels of metrics and messages. */
export function checkFlowName(section: Section, name: string, report: Report): boolean {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(name)) return true;
  const hint = 'a name has 1 to 64 letters, digits, "-" and "_"';
  report.add(section.diagnoseKey({ message: `"${name}" cannot be a name`, hint }));
  return false;
}

/** Reads `connectors:`, and adds connectors that need no entry. */
export async function readConnectors(section: Section | undefined, report: Report): Promise<FoundConnectors> {
  const known = new Map<string, ReadConnector>();
  const wrong = new Set<string>();
  for (const [name, entry] of section?.members ?? []) {
    const connector = checkFlowName(entry, name, report) ? await readConnector(name, entry, report) : undefined;
    if (connector === undefined) wrong.add(name);
    else known.set(name, connector);
  }
  for (const [typeName, load] of Object.entries(CONNECTOR_LOADERS)) {
    if (known.has(typeName) || wrong.has(typeName)) continue;
    const type = await load();
    if (type.isBuiltIn !== true) continue;
    const absent = Section.absent(`connectors.${typeName}`, 'config.yaml');
    known.set(typeName, { name: typeName, typeName, type, settings: absent.read(type.keys, report), section: absent });
  }
  return { known, wrong };
}

async function readConnector(name: string, section: Section, report: Report): Promise<ReadConnector | undefined> {
  if (!section.isMapping) {
    const hint = 'write `type:` below it';
    report.add(section.diagnose({ message: `expected keys and values in ${section.path}`, hint }));
    return undefined;
  }
  const typeName = section.readKey('type', TYPE, report)?.value;
  if (typeName === undefined) return undefined;
  const load = Object.hasOwn(CONNECTOR_LOADERS, typeName) ? CONNECTOR_LOADERS[typeName] : undefined;
  if (load === undefined) {
    const types = Object.keys(CONNECTOR_LOADERS);
    const hint = suggest(typeName, types) ?? `there are: ${types.join(', ')}`;
    const message = `${section.path}.type: unknown type "${typeName}"`;
    report.add((section.members.get('type') ?? section).diagnose({ message, hint }));
    return undefined;
  }
  const type = await load();
  const settings = section.read(type.keys, report, ['type']);
  return settings === undefined ? undefined : { name, typeName, type, settings, section };
}
