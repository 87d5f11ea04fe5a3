import type { Report } from '../../config/files/report.ts';
import type { Section } from '../../config/keys/section.ts';
import type { FlowData } from '../connector.ts';
import { type CelExpression, type CelScope, compileExpression, type Wanted } from './expressions/cel.ts';

/** Compiles the expression in a section; undefined after reporting its error. */
export function readExpression(section: Section, wanted: Wanted, report: Report): { value: CelExpression } | undefined {
  const { value, path } = section;
  // In YAML `when: true` is not a string.
  const text = typeof value === 'boolean' || typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || text.trim() === '') {
    const hint = 'write an expression, such as input.price > 100';
    report.add(section.diagnose({ message: `${path}: expected an expression`, hint }));
    return undefined;
  }
  const reading = compileExpression(text, wanted);
  if ('value' in reading) return reading;
  const message = section.isSecret ? 'the environment variable does not give an expression' : reading.message;
  const hint = section.isSecret || reading.hint === undefined ? {} : { hint: reading.hint };
  report.add(section.diagnose({ message: `${path}: ${message}`, ...hint }));
  return undefined;
}

/** Compiles `transform:`: an expression that gives an object, or a mapping of expressions. */
export function readTransform(section: Section, report: Report): { value: (scope: CelScope) => FlowData } | undefined {
  const shape = section.isMapping ? readShape(section, report) : readExpression(section, 'object', report);
  return shape && { value: (scope) => shape.value(scope) as FlowData };
}

/** Compiles a part of `transform:`: strings are expressions; lists and mappings contain parts; other values are literal. */
function readShape(section: Section, report: Report): { value: CelExpression } | undefined {
  if (section.isMapping) {
    const members = [...section.members].map(([name, member]) => [name, readShape(member, report)] as const);
    if (members.some(([, shape]) => shape === undefined)) return undefined;
    return {
      value: (scope) => Object.fromEntries(members.map(([name, shape]) => [name, shape?.value(scope)])),
    };
  }
  if (Array.isArray(section.value)) {
    const items = section.items.map((item) => readShape(item, report));
    if (items.some((shape) => shape === undefined)) return undefined;
    return { value: (scope) => items.map((shape) => shape?.value(scope)) };
  }
  const { value } = section;
  return typeof value === 'string' ? readExpression(section, 'any', report) : { value: () => value };
}
