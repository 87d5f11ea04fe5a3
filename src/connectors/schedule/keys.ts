import { Cron } from 'croner';
import type { FlatKeys, Section } from '../../config/keys/section.ts';
import type { Wrong } from '../../config/keys/units.ts';
import { durationKey, optional, textKey } from '../../config/keys/values.ts';

/** Keys of `from:` of a scheduled flow: either `cron` or `every`, in milliseconds. */
export interface ScheduleSettings {
  readonly cron: string | undefined;
  readonly every: number | undefined;
  readonly timezone: string;
}

export const SCHEDULE_SOURCE_KEYS: FlatKeys<ScheduleSettings> = {
  cron: textKey(undefined, {
    what: 'Schedule as five fields of cron, or six with seconds first',
    shownDefault: 'none',
  }),
  every: optional(durationKey('1m', { what: 'Interval, counted from the start of the server', shownDefault: 'none' })),
  timezone: textKey('UTC', { what: 'Time zone of `cron`, such as Europe/Berlin' }),
};

/** Error of a schedule and the key that it is about; undefined for a valid one. */
export function scheduleError(section: Section, settings: ScheduleSettings): (Wrong & { at: Section }) | undefined {
  const { cron, every, timezone } = settings;
  const at = (key: string) => section.members.get(key) ?? section;
  if ((cron === undefined) === (every === undefined)) {
    const hint = 'write `cron: "0 3 * * *"` or `every: 10m`';
    return { at: section, message: `${section.path} needs either cron or every`, hint };
  }
  if (!isTimezone(timezone)) {
    const hint = 'write one such as UTC or Europe/Berlin';
    return { at: at('timezone'), message: `${section.path}.timezone: there is no such time zone`, hint };
  }
  const wrong = cron === undefined ? undefined : cronError(cron, timezone);
  return wrong === undefined ? undefined : { at: at('cron'), message: `${section.path}.cron: ${wrong}` };
}

function isTimezone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }) !== undefined;
  } catch {
    return false;
  }
}

function cronError(pattern: string, timezone: string): string | undefined {
  // The library also accepts a date as a pattern.
  if (!/^(?:\S+\s+){4,5}\S+$/.test(pattern.trim())) return 'expected five or six fields, such as 0 3 * * *';
  try {
    const cron = new Cron(pattern, { timezone, paused: true });
    return cron.nextRun() === null ? 'it never comes' : undefined;
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, '');
  }
}
