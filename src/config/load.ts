import { basename, join, resolve } from 'node:path';
import { loadAuth } from './auth.ts';
import type { AppConfig, Config, ServerConfig } from './config.ts';
import { deepFreeze } from './deep-freeze.ts';
import { DOTENV_FILE, withDotenv } from './dotenv.ts';
import { ConfigFile, type FileRole } from './files/config-file.ts';
import type { Environment } from './files/interpolate.ts';
import { findInside, isInside, kindOf } from './files/paths.ts';
import { Report } from './files/report.ts';
import { readSource, SourceFile } from './files/source.ts';
import { APP_KEYS, SERVER_KEYS } from './keys/keys.ts';
import { isLoopback } from './loopback.ts';
import { beginsAsOwn, isReservedAppId } from './reserved-paths.ts';

export const CONFIG_FILE = 'config.yaml';
export const SCHEMA_FILE = 'schema.graphql';
const MAX_CONFIG_BYTES = 1024 ** 2;
/** Folder of static files where none is named. */
export const DEFAULT_WEB = 'web';

export interface FolderOptions {
  readonly report: Report;
  readonly env: Environment;
  readonly role: FileRole;
  /** Name of config.yaml in diagnostics. */
  readonly shown: string;
}

/** Reads config.yaml of one application that runs alone. Throws a StartError with every mistake; creates nothing. */
export function loadConfig(dir: string, env: Environment): Config {
  const report = new Report();
  const folder = resolve(dir);
  const settings = readSettings(folder, { report, env, role: 'alone', shown: CONFIG_FILE });
  const config = { server: loadServer(folder, settings), app: loadApp(folder, settings) };
  checkHost(config.server, saysAuth(settings) ? undefined : settings, settings);
  report.throwIfAny();
  return deepFreeze(config);
}

/** Reads config.yaml of the folder. Without the file, every setting has its default. */
export function readSettings(folder: string, options: FolderOptions): ConfigFile {
  const { shown, report } = options;
  const source = readSource(join(folder, CONFIG_FILE), { shown, maxBytes: MAX_CONFIG_BYTES });
  if (source === undefined || source instanceof SourceFile) {
    const env = withDotenv(folder, { ...options, shown: shown.replace(CONFIG_FILE, DOTENV_FILE) });
    return new ConfigFile(shown, source, { ...options, env });
  }
  report.add(source);
  return new ConfigFile(shown, undefined, options);
}

export function loadServer(folder: string, settings: ConfigFile): ServerConfig {
  const server = settings.build(SERVER_KEYS);
  const { limits, channels, cors } = server;
  if (cors.credentials && cors.origins.includes('*')) {
    settings.wrong('cors.credentials', {
      message:
        'cors.credentials cannot be combined with the origin "*": every page could act for any user who opens it',
      hint: 'name the origins, or write `credentials: false`',
    });
  }
  if (limits.pageDefault > limits.pageMax) {
    settings.wrong('limits.page_default', { message: 'limits.page_default is larger than limits.page_max' });
  }
  if (channels.pongTimeout <= channels.pingInterval) {
    settings.wrong('channels.pong_timeout', {
      message: 'channels.pong_timeout must be longer than channels.ping_interval',
      hint: 'an idle client would be ended before it is pinged',
    });
  }
  return { ...server, tls: findCertificate(folder, server.tls, settings) };
}

export function loadApp(folder: string, settings: ConfigFile): AppConfig {
  const app = settings.build(APP_KEYS);
  const web = findWeb(folder, app.web, settings);
  const dataDir = resolve(folder, app.dataDir);
  const dataKind = kindOf(dataDir);
  if (dataKind !== undefined && dataKind !== 'folder') {
    settings.wrong('data_dir', { message: `"${app.dataDir}" is not a folder` });
  }
  const schemas = findFiles(folder, app.schemas, { settings, key: 'schemas' });
  const hooks = findFiles(folder, app.hooks, { settings, key: 'hooks' });
  const routes = findFiles(folder, app.routes, { settings, key: 'routes' });
  const modules = [...hooks, ...routes];
  const nameOf = (path: string) => (path === dataDir ? 'the data' : modules.includes(path) ? 'a module' : 'a schema');
  for (const path of [dataDir, ...schemas, ...modules]) {
    // The web folder is served without authentication.
    if (web === undefined || !isInside(web, path)) continue;
    settings.wrong('web', {
      message: `everything in "${app.web ?? DEFAULT_WEB}" is served, and ${nameOf(path)} is in it`,
      hint: 'give the static files a folder of their own',
    });
    break;
  }
  const auth = loadAuth(folder, app.auth, settings);
  const appId = findAppId(folder, app.appId, settings);
  return { ...app, appId, dir: folder, schemas, hooks, routes, web, dataDir, auth };
}

/** Reports a host that other machines can reach while `open`, the file of an application, does not configure `auth`. */
export function checkHost({ host }: ServerConfig, open: ConfigFile | undefined, settings: ConfigFile): void {
  if (open === undefined || isLoopback(host)) return;
  const where = open === settings ? '' : ` in ${open.shown}`;
  settings.wrong('host', {
    message: `host "${host}" can be reached from other machines, and authentication is off`,
    hint: `configure \`auth\`${where}, write \`auth: none\` to confirm that the API is public, or \`host: 127.0.0.1\``,
  });
}

/** True when the file has a key `auth`, even if its value is wrong. */
export function saysAuth(settings: ConfigFile): boolean {
  return settings.isWritten('auth');
}

function findAppId(folder: string, written: string | undefined, settings: ConfigFile): string {
  const appId = written ?? basename(folder);
  const what = written === undefined ? `the folder's name "${appId}"` : `app_id "${appId}"`;
  const hint = written === undefined ? 'name the application: `app_id: my-app`' : 'for example `app_id: my-app`';
  if (!/^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}$/.test(appId)) {
    const message = `${what} cannot be part of a URL: only letters, digits, "-", "_" and ".", not first "."`;
    settings.wrong('app_id', { message, hint });
  } else if (beginsAsOwn(appId)) {
    const message = `${what} is reserved: addresses that begin with "_" are the server's own`;
    settings.wrong('app_id', { message, hint: `write \`app_id: ${appId.replace(/^_+/, '') || 'my-app'}\`` });
  } else if (isReservedAppId(appId)) {
    settings.wrong('app_id', { message: `${what} is used by the server itself`, hint });
  }
  return appId;
}

interface FileKey {
  readonly settings: ConfigFile;
  readonly key: 'schemas' | 'hooks' | 'routes';
}

/** Finds the files of a key. Returns none when one is wrong: a file outside the folder must not be read, not even to check it. */
function findFiles(folder: string, written: readonly string[], { settings, key }: FileKey): string[] {
  const found = written.flatMap((name, index) => {
    const reading = findInside(folder, name, 'file');
    if ('value' in reading) return reading.value;
    const hint = settings.has(key) ? reading.hint : 'write the tables there, or name the files under `schemas:`';
    settings.wrong(key, { message: reading.message, ...(hint ? { hint } : {}) }, index);
    return [];
  });
  if (found.length < written.length) return [];
  const twice = found.findIndex((path, index) => found.indexOf(path) !== index);
  if (twice >= 0) settings.wrong(key, { message: `"${written[twice]}" is listed twice` }, twice);
  return twice >= 0 ? [] : found;
}

function findWeb(folder: string, written: string | undefined, settings: ConfigFile): string | undefined {
  if (written === undefined && kindOf(join(folder, DEFAULT_WEB)) !== 'folder') return undefined;
  const reading = findInside(folder, written ?? DEFAULT_WEB, 'folder');
  if ('value' in reading) return reading.value;
  settings.wrong('web', reading);
  return undefined;
}

type TlsSetting = ServerConfig['tls'];

function findCertificate(folder: string, tls: TlsSetting, settings: ConfigFile): TlsSetting {
  if (tls === undefined || tls === false || tls === 'auto') return tls;
  const certificate = resolve(folder, tls.certificate);
  const privateKey = resolve(folder, tls.privateKey);
  for (const path of [certificate, privateKey]) {
    if (kindOf(path) !== 'file') settings.wrong('tls', { message: `tls: file "${path}" does not exist` });
  }
  return { certificate, privateKey };
}
