import { suggest } from '../config/files/suggest.ts';
import type { ProjectApp } from '../schema/project-app.ts';
import type { MigrationPreview } from '../store/engine.ts';
import { loadEngine } from '../store/index.ts';
import { StoreOpenError } from '../store/open-errors.ts';
import type { Allowance } from '../store/store.ts';

/** Previews the migrations of the applications' stores. An application without a store has no preview. */
export async function previewAll(apps: readonly ProjectApp[], allowed: Allowance): Promise<MigrationPreview[]> {
  const previews: MigrationPreview[] = [];
  for (const { config, plan } of apps) {
    const engine = await loadEngine(config);
    const preview = await engine.previewMigration(plan, { dir: config.dataDir, allowed });
    if (preview !== undefined) previews.push(preview);
  }
  return previews;
}

/**
 * Checks the names of `--allow-destructive` before any store is changed. Throws StoreOpenError for a name that no migration
 * step has. When there is nothing to migrate it returns a notice instead: a supervisor restarts the server with the same
 * arguments.
 */
export async function checkAllowance(apps: readonly ProjectApp[], allowed: Allowance): Promise<readonly string[]> {
  if (typeof allowed === 'boolean' || allowed.length === 0) return [];
  const previews = await previewAll(apps, allowed);
  const names = new Set(previews.flatMap((preview) => preview.names));
  const unknown = allowed.filter((name) => !names.has(name));
  if (unknown.length === 0) return [];
  const written = unknown.map((name) => `"${name}"`).join(', ');
  if (!previews.some(({ pending }) => pending)) {
    return [`--allow-destructive ${written} allows nothing: the schema is as stored. Leave it out of the next start.`];
  }
  const meant = unknown.map((name) => suggest(name, names)).find((found) => found !== undefined);
  const known = names.size === 0 ? 'No step has a name' : `The names are ${[...names].join(', ')}`;
  const hint = meant === undefined ? `. ${known}` : `; ${meant}`;
  throw new StoreOpenError(
    `--allow-destructive ${written}: no change of the schema has that name${hint}${/[.?]$/.test(hint) ? '' : '.'} Nothing was changed.`,
  );
}
