import type { Report } from '../../config/files/report.ts';
import { suggest } from '../../config/files/suggest.ts';
import type { FlatKeys, Section } from '../../config/keys/section.ts';
import { textKey, textOrTextsKey } from '../../config/keys/values.ts';
import type { Rule } from '../../query/index.ts';
import type { TablePlan } from '../../schema/plan.ts';
import { makePattern, type RoomPattern } from './pattern.ts';
import { ANYONE, parseRoomRule, ROOM_ACTIONS, type RoomAction, type RoomRule } from './rules.ts';

/** Entry of `rooms:` in config.yaml, as written. */
interface RoomSection extends Readonly<Record<RoomAction, readonly string[]>> {
  readonly record: string | undefined;
}

const NOT_GRANTED = 'admins only';

/** Keys of an entry of `rooms:`. */
export const ROOM_KEYS: FlatKeys<RoomSection> = {
  record: textKey(undefined, {
    what: 'Type of the record whose key is in the name; `Board(id)` names the parameter if there are several',
    shownDefault: 'none',
  }),
  join: textOrTextsKey({ what: 'Callers that may join', shownDefault: NOT_GRANTED }),
  send: textOrTextsKey({ what: 'Callers that may send to the members', shownDefault: NOT_GRANTED }),
  presence: textOrTextsKey({
    what: 'Members that receive the list of members, joins and leaves',
    shownDefault: NOT_GRANTED,
  }),
};

/** Reads `rooms:` of config.yaml, and reports every mistake in it. Returns undefined where there is no such section. */
export function readRoomRules(
  section: Section | undefined,
  tables: readonly TablePlan[],
  report: Report,
): readonly RoomRule[] | undefined {
  if (section === undefined) return undefined;
  return [...section.members].flatMap(([text, entry]) => readRoom(text, entry, { tables, report }) ?? []);
}

interface RoomScope {
  readonly tables: readonly TablePlan[];
  readonly report: Report;
}

function readRoom(text: string, entry: Section, { tables, report }: RoomScope): RoomRule | undefined {
  const pattern = makePattern(text);
  if ('problem' in pattern) {
    report.add(entry.diagnoseKey({ message: `the pattern "${text}" ${pattern.problem}` }));
    return undefined;
  }
  const settings = entry.read(ROOM_KEYS, report);
  if (settings === undefined) return undefined;
  const record = settings.record === undefined ? undefined : readRecord(entry, pattern, { tables, report });
  if (record === undefined && settings.record !== undefined) return undefined;
  const { parameters } = pattern;
  const parse = (action: RoomAction): readonly Rule[] =>
    settings[action].flatMap((rule) => {
      if (rule === ANYONE) return [];
      try {
        return [parseRoomRule(rule, action, { table: record?.table, parameters })];
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        report.add((entry.members.get(action) ?? entry).diagnose({ message: error.message }));
        return [];
      }
    });
  const { join, send, presence } = settings;
  const rules = Object.fromEntries(ROOM_ACTIONS.map((action) => [action, parse(action)]));
  return { pattern, record, texts: { join, send, presence }, rules: rules as RoomRule['rules'] };
}

/** Reads `Board` or `Board(id)`. */
function readRecord(
  entry: Section,
  { text, parameters }: RoomPattern,
  { tables, report }: RoomScope,
): RoomRule['record'] {
  const member = entry.members.get('record') ?? entry;
  const [, name = '', given] = /^([A-Za-z_]\w*)(?:\(([A-Za-z_]\w*)\))?$/.exec(String(member.value)) ?? [];
  const table = tables.find((one) => one.name === name);
  if (table === undefined) {
    const names = tables.map((one) => one.name);
    const hint = suggest(name, names) ?? `there are: ${names.join(', ')}`;
    report.add(member.diagnose({ message: `${member.path}: there is no table "${String(member.value)}"`, hint }));
    return undefined;
  }
  const [only, another] = parameters;
  const parameter = given ?? (another === undefined ? only : undefined);
  if (parameter !== undefined && parameters.includes(parameter)) return { table, parameter };
  const hint =
    parameters.length === 0
      ? `write a parameter into the pattern, such as "${text}:{id}"`
      : `name the parameter that has the key: ${parameters.map((each) => `${name}(${each})`).join(' or ')}`;
  report.add(member.diagnose({ message: `${member.path}: which part of "${text}" is the key is not known`, hint }));
  return undefined;
}
