import { BASE_CONFIG } from './app.ts';

export const ROUTES_SCHEMA = `
type Log @table @export(public: [read, create, update, delete, subscribe, publish]) {
  id: ID! @primaryKey
  text: String
  at: Date @createdTime
}
type Secret @table @export(public: []) {
  id: ID! @primaryKey
}
`;

/** A schema by hand: an object whose members are of these types, and have no others. */
const OBJECT_OF = `
import type { StandardSchema } from 'tablecast';
interface Types { string: string; number: number }
type Shape = Record<string, keyof Types>;
export function objectOf<S extends Shape>(shape: S): StandardSchema<unknown, { [K in keyof S]: Types[S[K]] }> {
  return { '~standard': { version: 1, vendor: 'test', validate: async (value) => {
    const object = value as Record<string, unknown>;
    if (typeof object !== 'object' || object === null) return { issues: [{ message: 'must be an object' }] };
    const out: Record<string, unknown> = {};
    const issues: { message: string; path: string[] }[] = [];
    for (const [name, type] of Object.entries(shape)) {
      const found = object[name];
      out[name] = type === 'number' && typeof found === 'string' && found !== '' ? Number(found) : found;
      if (typeof out[name] !== type || Number.isNaN(out[name])) issues.push({ message: 'must be a ' + type, path: [name] });
    }
    return issues.length > 0 ? { issues } : { value: out as never };
  } } };
}
`;

/** An application with this as its `routes.ts`, whose head imports what is needed. It has no `node_modules`. */
export function routesApp(routes: string, { config = '', files = {} } = {}) {
  const head = `import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, defineRoute } from 'tablecast';
import { objectOf } from './object-of.ts';
`;
  return {
    schema: ROUTES_SCHEMA,
    config: `${BASE_CONFIG}routes: routes.ts\n${config}`,
    files: { 'object-of.ts': OBJECT_OF, 'routes.ts': head + routes, ...files },
  };
}
