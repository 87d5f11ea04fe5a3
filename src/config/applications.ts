import { readdirSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { AppConfig, ServerConfig } from './config.ts';
import { deepFreeze } from './deep-freeze.ts';
import type { ConfigFile } from './files/config-file.ts';
import type { Environment } from './files/interpolate.ts';
import { kindOf } from './files/paths.ts';
import { Report } from './files/report.ts';
import { diagnoseFile, readSource, SourceFile } from './files/source.ts';
import { CONFIG_FILE, checkHost, loadApp, loadServer, readSettings, SCHEMA_FILE, saysAuth } from './load.ts';

export interface Applications {
  readonly server: ServerConfig;
  readonly apps: readonly AppConfig[];
  /** Sentences for the log about settings that have no effect. */
  readonly notices: readonly string[];
}

export interface ReadContext {
  readonly env: Environment;
  readonly report: Report;
}

/**
 * Reads one application, or a folder whose sub-folders are applications. Throws a StartError with every mistake of every
 * file; creates nothing.
 */
export function loadApplications(dir: string, env: Environment): Applications {
  const report = new Report();
  const applications = readApplications(dir, { env, report });
  report.throwIfAny();
  if (applications === undefined) throw new Error('an application without errors is missing');
  return deepFreeze(applications);
}

/**
 * Reads like loadApplications, but adds mistakes to the report and returns everything that can be read. Returns undefined
 * when there is no application.
 */
export function readApplications(dir: string, { env, report }: ReadContext): Applications | undefined {
  const folder = resolve(dir);
  const kind = kindOf(folder);
  if (kind !== 'folder') {
    report.add(diagnoseFile(dir, kind === undefined ? 'does not exist' : 'is not a folder'));
    return undefined;
  }
  if (isApplication(folder)) {
    const settings = readSettings(folder, { report, env, role: 'alone', shown: CONFIG_FILE });
    const server = loadServer(folder, settings);
    checkHost(server, saysAuth(settings) ? undefined : settings, settings);
    return { server, apps: [loadApp(folder, settings)], notices: [] };
  }
  const members = listSubFolders(folder).filter((name) => isApplication(join(folder, name)));
  if (members.length > 0) return readFolder(folder, members, { report, env });
  const message = `is not an application and contains none: there is no ${SCHEMA_FILE}`;
  report.add(diagnoseFile(dir, message, `write ${join(dir, SCHEMA_FILE)}, or name another folder`));
  return undefined;
}

function readFolder(folder: string, members: readonly string[], { report, env }: ReadContext): Applications {
  const settings = readSettings(folder, { report, env, role: 'folder', shown: CONFIG_FILE });
  const server = loadServer(folder, settings);
  const notices: string[] = [];
  const byId = new Map<string, string>();
  const byData = new Map<string, string>();
  const withoutAuth: ConfigFile[] = [];
  const files: ConfigFile[] = [];
  const apps = members.map((name) => {
    const own = readSettings(join(folder, name), { report, env, role: 'member', shown: `${name}/${CONFIG_FILE}` });
    const app = loadApp(join(folder, name), own);
    files.push(own);
    notices.push(...own.ignored);
    if (!saysAuth(own)) withoutAuth.push(own);
    const sameId = byId.get(app.appId);
    if (sameId !== undefined) {
      own.wrong('app_id', {
        message: `app_id "${app.appId}" is also that of ${sameId}`,
        hint: 'give it another app_id',
      });
    }
    const sameData = byData.get(app.dataDir);
    if (sameData !== undefined) {
      own.wrong('data_dir', { message: `the data folder is also that of ${sameData}`, hint: 'give each its own' });
    }
    byId.set(app.appId, name);
    byData.set(app.dataDir, name);
    return app;
  });
  checkHost(server, withoutAuth[0], settings);
  return { server, apps, notices: [...notices, ...checkDefault(members, apps, files)] };
}

/** Reports a second default application. Returns a notice where the order of the folders decides. */
function checkDefault(members: readonly string[], apps: readonly AppConfig[], files: readonly ConfigFile[]): string[] {
  const [first, ...others] = apps.flatMap((app, index) => (app.default ? [index] : []));
  for (const index of others) {
    const message = `default: ${members[first as number]} is the default application already`;
    files[index]?.wrong('default', { message, hint: 'leave it out here, or there' });
  }
  if (first !== undefined || apps.length < 2) return [];
  const file = join(members[0] as string, CONFIG_FILE);
  return [
    `addresses without an app id are those of "${apps[0]?.appId}", the first folder; to keep that, write \`default: true\` in ${file}`,
  ];
}

/** True for a folder with schema.graphql, or with a config.yaml that names its schemas. */
function isApplication(folder: string): boolean {
  if (kindOf(join(folder, SCHEMA_FILE)) === 'file') return true;
  const source = readSource(join(folder, CONFIG_FILE), { shown: CONFIG_FILE, maxBytes: 1024 ** 2 });
  // Not parsed: a file with mistakes still belongs to an application, and its mistakes are reported later.
  return source instanceof SourceFile && /^(?:schemas|"schemas"|'schemas')[ \t]*:/m.test(source.text);
}

function listSubFolders(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => !basename(name).startsWith('.') && name !== 'node_modules')
    .filter((name) => kindOf(join(folder, name)) === 'folder')
    .toSorted();
}
