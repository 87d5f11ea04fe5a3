import { expect, test } from 'vitest';
import { interpolate } from '../../src/config/files/interpolate.ts';

const ENV = { NAME: 'app', PORT: '8080', EMPTY: '', NESTED: `\${NAME}` };

test.each([
  ['plain', 'plain'],
  [`\${NAME}`, 'app'],
  [`a-\${NAME}-\${PORT}-z`, 'a-app-8080-z'],
  [`\${MISSING:-fallback}`, 'fallback'],
  [`\${MISSING:-}`, ''],
  [`\${EMPTY:-fallback}`, 'fallback'],
  [`\${NAME:-fallback}`, 'app'],
  [`[\${EMPTY}]`, '[]'],
  [`$\${NAME}`, `\${NAME}`],
  ['$NAME costs 5$', '$NAME costs 5$'],
])('fills in %s', (text, value) => {
  expect(interpolate(text, ENV)).toEqual({ value });
});

test('does not fill in what a variable contains', () => {
  expect(interpolate(`\${NESTED}`, ENV)).toEqual({ value: `\${NAME}` });
});

test('names every variable that is not set', () => {
  expect(interpolate(`\${ONE}\${NAME}\${TWO}`, ENV)).toEqual({
    message: 'environment variable ONE, TWO is not set',
    hint: `set it, or give a default: \${ONE:-…}`,
  });
});

test.each([`\${`, `\${NAME`, `\${1NAME}`, `\${NA-ME}`, `\${}`, `\${NAME:?x}`])('refuses the unfinished %s', (text) => {
  expect(interpolate(text, ENV)).toMatchObject({ message: `unfinished \${…}` });
});

test('does not read what every object has as a variable', () => {
  expect(interpolate(`\${constructor}`, Object.create(null))).toHaveProperty('message');
});
