import { signal } from '@preact/signals';
import { CONSOLE_URL, SERVER_URL } from './address.ts';
import { type View, view } from './view.ts';

/** Application as the server lists it for the console. */
export interface AppEntry {
  readonly app_id: string;
  readonly auth: 'none' | 'token' | 'users';
  readonly docs?: boolean;
  readonly page?: boolean;
  readonly admin_role?: string;
}

export interface Identity {
  readonly sub: string;
  readonly roles: readonly string[];
  readonly name?: string;
}

interface Login {
  /** Token or API key that is sent. Of a login by name it is in memory alone. */
  access: string | undefined;
  /** Milliseconds since 1970; undefined without an end. */
  expiresAt: number | undefined;
  refresh: string | undefined;
}

interface Tokens {
  readonly access_token: string;
  readonly expires_in: number;
  readonly refresh_token: string;
}

export const apps = signal<readonly AppEntry[] | undefined>(undefined);
export const appsError = signal<string | undefined>(undefined);
/** Milliseconds without input after which an administrator is logged out; 0: never. */
export const idleLock = signal(0);
/** True after that, until the next login. */
export const isLocked = signal(false);
/** Application whose login form is shown. */
export const loginFor = signal<string | undefined>(undefined);
/** Counts logins and logouts, so that what depends on the caller is read again. */
export const loginEpoch = signal(0);

const logins = new Map<string, Login>();
const refreshing = new Map<string, Promise<string | undefined>>();
const EARLY_MS = 30_000;

export async function loadApps(): Promise<void> {
  try {
    const response = await fetch(new URL('apps.json', CONSOLE_URL), { headers: { accept: 'application/json' } });
    if (!response.ok) throw new Error(`The server answered ${response.status}.`);
    const body = (await response.json()) as { apps: readonly AppEntry[]; idle_lock: number };
    apps.value = body.apps;
    idleLock.value = body.idle_lock * 1000;
    appsError.value = undefined;
  } catch (error) {
    appsError.value = error instanceof Error ? error.message : String(error);
  }
}

export function entryOf(app: string): AppEntry | undefined {
  return apps.value?.find(({ app_id }) => app_id === app);
}

export function askForLogin(app: string): void {
  if (view.value?.app === app) leaveView();
  else loginFor.value = app;
}

export function isLoggedIn(app: string): boolean {
  const login = loginOf(app);
  return login.access !== undefined || login.refresh !== undefined;
}

const nameOf = (app: string) => `tablecast.login.${app}`;

function loginOf(app: string): Login {
  let login = logins.get(app);
  if (login === undefined) {
    const text = sessionStorage.getItem(nameOf(app)) ?? localStorage.getItem(nameOf(app));
    const kept = text === null ? {} : (JSON.parse(text) as Partial<Login>);
    login = { access: kept.access, expiresAt: undefined, refresh: kept.refresh };
    logins.set(app, login);
  }
  return login;
}

/** Returns the token to send, and a newer one when it has run out or `renew` says that it was refused. */
export async function tokenOf(app: string, { renew = false } = {}): Promise<string | undefined> {
  if (view.value?.app === app) return view.value.token;
  const login = loginOf(app);
  const isOver = login.expiresAt !== undefined && login.expiresAt - EARLY_MS < Date.now();
  if (login.refresh === undefined || !(renew || isOver || login.access === undefined)) return login.access;
  const pending = refreshing.get(app) ?? refresh(app, login.refresh);
  refreshing.set(app, pending);
  return pending.finally(() => refreshing.delete(app));
}

async function refresh(app: string, refreshToken: string): Promise<string | undefined> {
  const response = await post(app, 'refresh', { refresh_token: refreshToken }).catch(() => undefined);
  if (response === undefined) return loginOf(app).access;
  if (response.ok)
    return keepTokens(app, (await response.json()) as Tokens, localStorage.getItem(nameOf(app)) !== null);
  if (response.status === 401) forget(app);
  return undefined;
}

function keepTokens(app: string, tokens: Tokens, stay: boolean): string {
  logins.set(app, {
    access: tokens.access_token,
    expiresAt: Date.now() + tokens.expires_in * 1000,
    refresh: tokens.refresh_token,
  });
  keep(app, { refresh: tokens.refresh_token }, stay);
  return tokens.access_token;
}

function keep(app: string, value: object, stay: boolean): void {
  const text = JSON.stringify(value);
  sessionStorage.setItem(nameOf(app), text);
  if (stay) localStorage.setItem(nameOf(app), text);
}

function forget(app: string): void {
  logins.delete(app);
  sessionStorage.removeItem(nameOf(app));
  localStorage.removeItem(nameOf(app));
}

function post(app: string, what: string, body: unknown): Promise<Response> {
  return fetch(new URL(`${encodeURIComponent(app)}/_/auth/${what}`, SERVER_URL), {
    method: 'POST',
    credentials: 'omit',
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: JSON.stringify(body),
  });
}

async function problemOf(response: Response): Promise<Error> {
  const problem = (await response.json().catch(() => ({}))) as { detail?: string; title?: string };
  return new Error(problem.detail ?? problem.title ?? `The server answered ${response.status}.`);
}

/** Logs in with name and password. Throws an error with the server's sentence. */
export async function logIn(app: string, name: string, password: string, stay: boolean): Promise<void> {
  const response = await post(app, 'login', { name, password });
  if (!response.ok) throw await problemOf(response);
  keepTokens(app, (await response.json()) as Tokens, stay);
  entered();
}

/** Takes a token or an API key, once the server has accepted it. */
export async function useToken(app: string, token: string, stay: boolean): Promise<void> {
  const response = await fetch(new URL(`${encodeURIComponent(app)}/_/auth/me`, SERVER_URL), {
    credentials: 'omit',
    headers: { authorization: `Bearer ${token}`, accept: 'application/json' },
  });
  if (!response.ok) throw await problemOf(response);
  logins.set(app, { access: token, expiresAt: undefined, refresh: undefined });
  keep(app, { access: token }, stay);
  entered();
}

function entered(): void {
  isLocked.value = false;
  loginFor.value = undefined;
  loginEpoch.value++;
}

/** Shows the tables as another caller gets them, until `leaveView`. */
export function enterView(next: View): void {
  view.value = next;
  loginEpoch.value++;
}

export function leaveView(): void {
  if (view.value === undefined) return;
  view.value = undefined;
  loginEpoch.value++;
}

export async function logOut(app: string): Promise<void> {
  view.value = undefined;
  const { refresh: refreshToken } = loginOf(app);
  forget(app);
  if (refreshToken !== undefined) await post(app, 'logout', { refresh_token: refreshToken }).catch(() => undefined);
  loginEpoch.value++;
}
