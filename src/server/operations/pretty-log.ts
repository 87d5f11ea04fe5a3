import { type Paint, type Style, withoutControls } from './colors.ts';

/** Characters of one value in a line. */
const MAX_VALUE_CHARACTERS = 200;

const LEVELS: Readonly<Record<number, readonly [name: string, style: Style]>> = {
  20: ['DEBUG', 'gray'],
  30: ['INFO ', 'cyan'],
  40: ['WARN ', 'yellow'],
  50: ['ERROR', 'red'],
  60: ['FATAL', 'red'],
};

interface LoggedError {
  readonly message?: string;
  readonly stack?: string;
}

/** One line of the JSON log for a person: time, level, message, and the other fields as `name=value`. */
export function formatLogLine(line: string, paint: Paint): string {
  const { level, time, msg, err, ...fields } = parse(line);
  const [name, style] = LEVELS[Number(level)] ?? [String(level), 'gray'];
  const values = Object.entries(fields).map(([key, value]) => `${key}=${formatValue(value)}`);
  const message = withoutControls(String(msg ?? ''));
  const head = [
    paint('gray', formatTime(time)),
    paint(style, name),
    Number(level) >= 40 ? paint(style, message) : message,
  ];
  const tail = values.length === 0 ? [] : [paint('gray', values.join(' '))];
  const stack = err === undefined ? '' : `\n${describeError(err as LoggedError)}`;
  return `${[...head, ...tail].join(' ')}${stack}\n`;
}

function parse(line: string): Record<string, unknown> {
  return JSON.parse(line) as Record<string, unknown>;
}

/** The local time of the day, with seconds. */
function formatTime(time: unknown): string {
  const date = new Date(String(time));
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((n) => String(n).padStart(2, '0')).join(':');
}

function formatValue(value: unknown): string {
  const text = withoutControls(typeof value === 'string' ? value : JSON.stringify(value));
  const shown = text.length > MAX_VALUE_CHARACTERS ? `${text.slice(0, MAX_VALUE_CHARACTERS)}…` : text;
  return /[\s="]/.test(shown) && typeof value === 'string' ? JSON.stringify(shown) : shown;
}

/** The stack is indented, so that it is one block with its line. */
function describeError({ stack, message }: LoggedError): string {
  return withoutControls(stack ?? message ?? '').replace(/^/gm, '  ');
}
