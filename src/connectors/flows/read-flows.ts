import type { Report } from '../../config/files/report.ts';
import { suggest } from '../../config/files/suggest.ts';
import type { FlatKeys, Section } from '../../config/keys/section.ts';
import {
  booleanKey,
  type ConfigKey,
  choiceKey,
  countKey,
  durationKey,
  required,
  textKey,
} from '../../config/keys/values.ts';
import type { Operations, SourceType, TargetType } from '../connector.ts';
import { readsInput } from './expressions/cel.ts';
import type { Flow, FlowSource, FlowTarget, RetryPolicy } from './flow.ts';
import { checkFlowName, type FoundConnectors, type ReadConnector } from './read-connectors.ts';
import { readExpression, readTransform } from './read-expressions.ts';

export interface FlowScope {
  readonly found: FoundConnectors;
  readonly report: Report;
}

type FlowKeys = Pick<Flow, 'atomic' | 'timeout' | 'concurrency'>;

const DELAY_RANGE_MS = { min: 1, max: 86_400_000 };

/** Keys of a flow besides those that are read one by one. */
export const FLOW_KEYS: FlatKeys<FlowKeys> = {
  atomic: booleanKey(false, {
    what: 'Whether the tables in `to` are written in one transaction, and the others after it',
  }),
  timeout: durationKey('30s', { what: 'How long one delivery to a target may take' }, { min: 1, max: 3_600_000 }),
  concurrency: countKey(10, { what: 'Events that run at the same time; others wait' }, { max: 1000 }),
};
const OTHER_FLOW_KEYS = ['from', 'when', 'transform', 'to', 'retry'];

const ATTEMPTS = {
  what: 'Number of attempts, including the first one',
  shownDefault: '`5`; `1` where a sender waits for the outcome',
};

/** Keys of `retry:`. Without retries by default where a sender waits for the outcome: it can retry itself. */
export function retryKeys({ failure }: SourceType): FlatKeys<RetryPolicy> {
  return {
    attempts: countKey(failure === 'answers' ? 1 : 5, ATTEMPTS, { max: 100 }),
    delay: durationKey(
      '1s',
      { what: 'Maximum wait before the second attempt; it doubles with each attempt' },
      DELAY_RANGE_MS,
    ),
    maxDelay: durationKey('1m', { what: 'Maximum wait between two attempts' }, DELAY_RANGE_MS),
  };
}

const CONNECTOR = required(textKey(undefined, { what: 'Name of a connector' }));
const OPERATION = textKey(undefined, { what: 'Operation of the connector' });
const AS: ConfigKey<'caller' | 'server' | undefined> = choiceKey(['caller', 'server'], undefined, {
  what: 'On whose behalf the target acts',
});

/** Reads `flows:`. */
export function readFlows(section: Section | undefined, scope: FlowScope): Flow[] {
  return [...(section?.members ?? [])].flatMap(([name, entry]) => {
    const flow = checkFlowName(entry, name, scope.report) ? readFlow(name, entry, scope) : undefined;
    return flow === undefined ? [] : [flow];
  });
}

function readFlow(name: string, section: Section, scope: FlowScope): Flow | undefined {
  const { report } = scope;
  const settings = section.read(FLOW_KEYS, report, OTHER_FLOW_KEYS);
  if (!section.isMapping) {
    if (settings !== undefined) report.add(section.diagnoseKey({ message: `"${section.path}" has no \`from:\`` }));
    return undefined;
  }
  const source = readSource(name, section, scope);
  const targets = readTargets(name, section, { ...scope, source, transform: section.members.get('transform') });
  if (settings?.atomic === true && targets !== undefined) checkAtomic(section, targets, report);
  const when = readOptional(section, 'when', (member) => readExpression(member, 'bool', report));
  const transform = readOptional(section, 'transform', (member) => readTransform(member, report));
  const retry = source && readRetry(section, source, report);
  if (settings === undefined || source === undefined || targets === undefined || retry === undefined) return undefined;
  const ignoresBody =
    transform !== undefined && !['when', 'transform', 'to'].some((key) => readsBody(section.members.get(key)));
  return { name, source, when: when?.value, transform: transform?.value, ignoresBody, targets, retry, ...settings };
}

/** Reports a flow that is to be atomic and has nothing to be written together. */
function checkAtomic(section: Section, targets: readonly FlowTarget[], report: Report): void {
  const tables = targets.filter(({ isAtomic }) => isAtomic);
  if (tables.length > 1) return;
  const others = targets.filter(({ isAtomic }) => !isAtomic).map(({ label }) => label);
  const found = others.length === 0 ? 'there is one' : `${others.join(', ')} cannot be part of a transaction`;
  const hint = 'name two tables or more in `to:`, or remove `atomic`';
  const message = `${section.path}.atomic is for several targets that are tables: ${found}`;
  report.add((section.members.get('atomic') ?? section).diagnose({ message, hint }));
}

function readsBody(section: Section | undefined): boolean {
  if (section === undefined) return false;
  if (typeof section.value === 'string') return readsInput(section.value, 'body');
  return [...section.members.values(), ...section.items].some(readsBody);
}

/** Reads an optional member; undefined where it is absent, or invalid and reported. */
function readOptional<T>(section: Section, name: string, read: (member: Section) => { value: T } | undefined) {
  const member = section.members.get(name);
  return member && read(member);
}

function readRetry(section: Section, { type }: FlowSource, report: Report): RetryPolicy | undefined {
  const keys = retryKeys(type);
  const member = section.members.get('retry');
  if (member !== undefined) return member.read(keys, report);
  const read = <K extends keyof RetryPolicy>(key: K) => keys[key].read(keys[key].default) as { value: number };
  return { attempts: read('attempts').value, delay: read('delay').value, maxDelay: read('maxDelay').value };
}

function readSource(flow: string, flowSection: Section, scope: FlowScope): FlowSource | undefined {
  const section = flowSection.members.get('from');
  const hint = 'write `from: {connector: …, operation: …}`';
  if (section === undefined) {
    scope.report.add(flowSection.diagnoseKey({ message: `"${flowSection.path}.from" is missing`, hint }));
    return undefined;
  }
  const found = readOperation(section, scope, 'sources');
  if (found === undefined) return undefined;
  const { connector, operation, type } = found;
  const settings = section.read(type.keys, scope.report, ['connector', 'operation']);
  if (settings === undefined) return undefined;
  return { connector: connector.name, type, use: { flow, operation, settings, section } };
}

interface TargetScope extends FlowScope {
  /** Undefined for an invalid source. */
  readonly source: FlowSource | undefined;
  readonly transform: Section | undefined;
}

function readTargets(flow: string, flowSection: Section, scope: TargetScope): readonly FlowTarget[] | undefined {
  const section = flowSection.members.get('to');
  const sections = section?.isMapping ? [section] : (section?.items ?? []);
  if (sections.length === 0) {
    const message = `"${flowSection.path}.to" ${section === undefined ? 'is missing' : 'names no target'}`;
    const hint = 'write `to: {connector: …, operation: …}`, or a list of them';
    scope.report.add((section ?? flowSection).diagnoseKey({ message, hint }));
    return undefined;
  }
  const targets = sections.map((item) => readTarget(flow, item, scope));
  return targets.some((target) => target === undefined) ? undefined : (targets as readonly FlowTarget[]);
}

function readTarget(flow: string, section: Section, scope: TargetScope): FlowTarget | undefined {
  const { report, source } = scope;
  const found = readOperation(section, scope, 'targets');
  if (found === undefined) return undefined;
  const { connector, operation, type } = found;
  const settings = section.read(type.keys, report, ['connector', 'operation', 'target', 'as']);
  const as = section.readKey('as', AS, report);
  const target = readTargetOf(section, type, report);
  if (settings === undefined || as === undefined || target === undefined) return undefined;
  const { name, expression } = target;
  const { transform } = scope;
  const members = transform === undefined ? source?.type.members : undefined;
  return {
    connector: connector.name,
    use: {
      ...{ flow, operation, settings, target: name, section },
      ...(transform === undefined ? {} : { transform }),
      ...(members === undefined ? {} : { input: members }),
    },
    target: expression ?? (() => name),
    // A sender that waits for the outcome has no more rights with a flow than without it.
    as: as.value ?? (source?.type.failure === 'answers' ? 'caller' : 'server'),
    isAtomic: type.isAtomic === true,
    label: [connector.name, operation, textOf(section.members.get('target'))].filter((part) => part !== '').join(' '),
  };
}

function textOf(section: Section | undefined): string {
  return section === undefined || section.isSecret ? '' : String(section.value);
}

type TargetRead = { readonly name: string | undefined; readonly expression?: FlowTarget['target'] };

function readTargetOf(section: Section, type: TargetType, report: Report): TargetRead | undefined {
  const member = section.members.get('target');
  if (member === undefined) {
    if (!type.needsTarget) return { name: undefined };
    const hint = type.target === 'name' ? 'write `target:` and a name' : 'write `target:` and an expression';
    report.add(section.diagnoseKey({ message: `"${section.path}.target" is missing`, hint }));
    return undefined;
  }
  if (type.target === 'none') {
    report.add(member.diagnoseKey({ message: `"${member.path}": this operation takes no target`, hint: 'remove it' }));
    return undefined;
  }
  if (type.target === 'name') {
    const read = section.readKey('target', required(textKey(undefined, { what: 'A name' })), report);
    return read && { name: read.value };
  }
  const read = readExpression(member, 'any', report);
  return read && { name: undefined, expression: read.value };
}

interface FoundOperation<O> {
  readonly connector: ReadConnector;
  readonly operation: string;
  readonly type: O;
}

function readOperation(section: Section, scope: FlowScope, side: 'sources'): FoundOperation<SourceType> | undefined;
function readOperation(section: Section, scope: FlowScope, side: 'targets'): FoundOperation<TargetType> | undefined;
/** Reads `connector:` and `operation:`, with the connector's type of the operation. */
function readOperation(
  section: Section,
  { found, report }: FlowScope,
  side: 'sources' | 'targets',
): FoundOperation<SourceType | TargetType> | undefined {
  if (!section.isMapping) {
    const hint = 'write {connector: …, operation: …}';
    report.add(section.diagnose({ message: `expected keys and values in ${section.path}`, hint }));
    return undefined;
  }
  const name = section.readKey('connector', CONNECTOR, report)?.value;
  const isWritten = section.members.has('operation');
  const written = section.readKey('operation', OPERATION, report)?.value;
  if (name === undefined || found.wrong.has(name)) return undefined;
  const connector = found.known.get(name);
  if (connector === undefined) {
    const names = [...found.known.keys(), ...found.wrong];
    const hint = suggest(name, names) ?? `there are: ${names.join(', ')}`;
    const message = `${section.path}.connector: there is no connector "${name}"`;
    report.add((section.members.get('connector') ?? section).diagnose({ message, hint }));
    return undefined;
  }
  const operations: Operations<SourceType | TargetType> = connector.type[side];
  const operation = isWritten ? written : operations.default;
  if (operation === undefined) {
    // An invalid one is already reported.
    if (!isWritten) report.add(section.diagnoseKey(describeMissing(section, operations)));
    return undefined;
  }
  const type = Object.hasOwn(operations.named, operation) ? operations.named[operation] : operations.any;
  if (type !== undefined) return { connector, operation, type };
  report.add((section.members.get('operation') ?? section).diagnose(describeOperation(connector, operation, side)));
  return undefined;
}

function describeMissing({ path }: Section, { named }: Operations<unknown>) {
  const names = Object.keys(named);
  const hint = `write \`operation:\`${names.length === 0 ? '' : ` (${names.join(', ')})`}`;
  return { message: `"${path}.operation" is missing`, hint };
}

function describeOperation({ name, typeName, type }: ReadConnector, operation: string, side: 'sources' | 'targets') {
  const word = side === 'sources' ? 'source' : 'target';
  const names = Object.keys(type[side].named);
  if (names.length === 0) return { message: `${name} (${typeName}) cannot be the ${word} of a flow` };
  const hint = suggest(operation, names) ?? `there are: ${names.join(', ')}`;
  return { message: `${name} (${typeName}) has no ${word} operation "${operation}"`, hint };
}
