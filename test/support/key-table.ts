import { CONFIG_KEYS, type ListedKey } from '../../src/config/keys/keys.ts';
import type { FlatKeys } from '../../src/config/keys/section.ts';
import { type ConfigKey, type KeyScope, toSnakeCase } from '../../src/config/keys/values.ts';

const HEAD = ['| key | type | default | what |', '| --- | --- | --- | --- |'];

/** Formats the keys of a scope as a Markdown table, for docs/reference/configuration.md. */
export function formatKeyTable(scope: KeyScope): string {
  const rows = CONFIG_KEYS.filter((listed) => listed.scope === scope).map(formatRow);
  return [...HEAD, ...rows].join('\n');
}

/** Formats the keys of one level, such as those of a connector. */
export function formatFlatKeys<T>(keys: FlatKeys<T>): string {
  const rows = Object.entries<ConfigKey<unknown>>(keys).map(([name, key]) =>
    formatRow({ path: toSnakeCase(name), key }),
  );
  return [...HEAD, ...rows].join('\n');
}

function formatRow({ path, key }: Pick<ListedKey, 'path' | 'key'>): string {
  const value = Array.isArray(key.default) ? `[${key.default.join(', ')}]` : String(key.default);
  return `| \`${path}\` | ${key.type} | ${key.shownDefault ?? `\`${value}\``} | ${key.what} |`;
}
