import { expect, test } from 'vitest';
import { hasColors, paintFor, withoutControls } from '../../src/server/operations/colors.ts';
import { formatLogLine } from '../../src/server/operations/pretty-log.ts';

const plain = paintFor({ isTTY: false }, {});
const colored = paintFor({ isTTY: true }, {});
const line = (fields: object) => JSON.stringify({ level: 30, time: '2026-01-02T03:04:05.678Z', ...fields });
const withoutTime = (text: string) => text.replace(/^\d\d:\d\d:\d\d /, '');

test('a line has time, level, message and fields', () => {
  expect(formatLogLine(line({ msg: 'listening', url: 'http://127.0.0.1:9996', apps: ['a'] }), plain)).toMatch(
    /^\d\d:04:05 INFO {2}listening url=http:\/\/127\.0\.0\.1:9996 apps=\["a"\]\n$/,
  );
  expect(withoutTime(formatLogLine(line({ msg: 'x', step: 'drop column a.b', n: 1 }), plain))).toBe(
    'INFO  x step="drop column a.b" n=1\n',
  );
});

test('warnings and errors have colors, and errors their stack', () => {
  expect(formatLogLine(line({ level: 40, msg: 'careful' }), colored)).toContain('\u001b[33mcareful\u001b[39m');
  const text = formatLogLine(line({ level: 50, msg: 'fault', err: { stack: 'Error: no\n    at a.ts:1' } }), plain);
  expect(withoutTime(text)).toBe('ERROR fault\n  Error: no\n      at a.ts:1\n');
});

test('what a client sends cannot control the terminal, nor fill it', () => {
  const path = '/my-app/\u001b[2J\u001b]0;title\u0007\u009b31m\r\nINFO forged';
  const text = withoutTime(formatLogLine(line({ msg: 'request', path }), plain));
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
  expect(text.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  expect(withoutTime(formatLogLine(line({ msg: 'x', path: 'a'.repeat(10_000) }), plain)).length).toBeLessThan(300);
  expect(withoutControls('a\u001b[31mb\u0000c\td')).toBe('ab\u{fffd}c\td');
});

test('colors are for terminals, and follow NO_COLOR, FORCE_COLOR and TERM', () => {
  const terminal = { isTTY: true };
  expect([
    hasColors(terminal, {}),
    hasColors(terminal, { NO_COLOR: '1' }),
    hasColors(terminal, { TERM: 'dumb' }),
    hasColors({}, {}),
    hasColors({}, { FORCE_COLOR: '1' }),
    hasColors({}, { FORCE_COLOR: '0' }),
    hasColors({}, { FORCE_COLOR: '1', NO_COLOR: '1' }),
  ]).toEqual([true, false, false, false, true, false, true]);
});
