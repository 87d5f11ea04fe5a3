import { computed, signal } from '@preact/signals';

/** Address of the console itself, `…/_console/`, whatever a proxy has put before it. */
export const CONSOLE_URL = new URL('.', import.meta.url);
/** Address of the server, where its applications are. */
export const SERVER_URL = new URL('..', CONSOLE_URL);

/** What is shown: an application, a table of it, a record, or one of the other screens. */
export interface Place {
  readonly app: string | undefined;
  readonly table: string | undefined;
  readonly id: string | undefined;
  /** Screen below `_/`, such as `channels`. */
  readonly screen: string | undefined;
  /** Query as it is written, without `?`. */
  readonly search: string;
}

const current = signal(currentLocation());

function currentLocation(): { path: string; search: string } {
  const { pathname, search } = globalThis.location;
  return { path: pathname.slice(CONSOLE_URL.pathname.length), search: search.slice(1) };
}

export const place = computed<Place>(() => {
  const { path, search } = current.value;
  const [app, first, second] = path.split('/').map(decode);
  const isScreen = first === '_';
  return {
    app: app === '' ? undefined : app,
    table: isScreen || first === '' ? undefined : first,
    id: isScreen || second === '' ? undefined : second,
    screen: isScreen ? second : undefined,
    search,
  };
});

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

const segment = encodeURIComponent;

/** Path of a place, relative to the console. */
export const paths = {
  app: (app: string) => `${segment(app)}/`,
  table: (app: string, table: string, search = '') =>
    `${segment(app)}/${segment(table)}${search === '' ? '' : `?${search}`}`,
  record: (app: string, table: string, id: string | number, search = '') =>
    `${segment(app)}/${segment(table)}/${segment(id)}${search === '' ? '' : `?${search}`}`,
  screen: (app: string, screen: string, search = '') =>
    `${segment(app)}/_/${segment(screen)}${search === '' ? '' : `?${search}`}`,
};

/** Absolute address of a path of the console. */
export function hrefOf(path: string): string {
  return CONSOLE_URL.pathname + path;
}

/** Goes to a path of the console. With `replace` the browser's way back does not lead to where it was. */
export function go(path: string, { replace = false } = {}): void {
  const href = hrefOf(path);
  if (replace) history.replaceState(null, '', href);
  else if (href !== globalThis.location.pathname + globalThis.location.search) history.pushState(null, '', href);
  current.value = currentLocation();
}

/** Follows the browser's buttons, and links of the console without loading the page again. */
export function followLinks(): void {
  addEventListener('popstate', () => {
    current.value = currentLocation();
  });
  document.addEventListener('click', (event) => {
    if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
    const link = (event.target as Element | null)?.closest?.('a');
    if (!(link instanceof HTMLAnchorElement) || link.target !== '' || link.origin !== CONSOLE_URL.origin) return;
    if (!link.pathname.startsWith(CONSOLE_URL.pathname)) return;
    event.preventDefault();
    go(link.pathname.slice(CONSOLE_URL.pathname.length) + link.search);
  });
}
