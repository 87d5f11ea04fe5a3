import { CONFIG_KEYS, type ListedKey } from './keys.ts';
import type { Scope } from './values.ts';

/** The Markdown table of all keys of a scope, as it stands in docs/configuration.md. */
export function formatKeyTable(scope: Scope): string {
  const rows = CONFIG_KEYS.filter((listed) => listed.scope === scope).map(formatRow);
  return ['| key | type | default | what |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function formatRow({ path, key }: ListedKey): string {
  const value = Array.isArray(key.default) ? `[${key.default.join(', ')}]` : String(key.default);
  return `| \`${path}\` | ${key.type} | ${key.shownDefault ?? `\`${value}\``} | ${key.what} |`;
}
