import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { findMeant } from '../../config/files/suggest.ts';
import { prefersHtml } from '../content/negotiate.ts';
import { NEVER_KEPT } from '../response-headers.ts';
import { CONSOLE_PATH } from './console-routes.ts';
import { escapeHtml, makeDocument, makeLink } from './html.ts';

/** Application on the start page. One without `docs` is not shown. */
export interface ListedApp {
  readonly appId: string;
  /** Whether it has pages of its own, at `/{app_id}/`. */
  readonly hasPage: boolean;
  /** Whether the console shows it. */
  readonly hasConsole: boolean;
  /** Export names of its tables. */
  readonly tables: readonly string[];
}

const STYLE = `:root { color-scheme: light dark; --page: light-dark(#f3f5f5, #0d1313); --card: light-dark(#fff, #161e1e);
  --line: light-dark(#dbe2e2, #293535); --text: light-dark(#16201f, #e6edec); --soft: light-dark(#556362, #9aa9a8);
  --accent: light-dark(#0f766e, #2dd4bf); }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 760px; margin: 0 auto; padding: 48px 24px; }
h1 { margin: 0 0 4px; font-size: 28px; letter-spacing: -0.02em; }
h2 { margin: 0; font-size: 18px; overflow-wrap: anywhere; }
p { margin: 0 0 24px; color: var(--soft); }
section { margin: 0 0 16px; padding: 18px 22px; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 0; padding: 0; list-style: none; }
li { overflow-wrap: anywhere; }
.tables { padding-top: 8px; border-top: 1px solid var(--line); font: 14px/1.7 ui-monospace, Menlo, Consolas, monospace; }
a { color: var(--accent); }
code { font-family: ui-monospace, Menlo, Consolas, monospace; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
@media (max-width: 500px) { main { padding: 24px 12px; } }
`;

/** Content-Security-Policy: nothing but the style of the page itself. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Characters of an address that the page repeats. */
const MAX_SHOWN_CHARS = 200;

/** Pages for browsers at addresses where there is nothing else: the applications at `/`, and a 404 with a way on. */
export class FallbackPages {
  readonly #apps: readonly ListedApp[];
  /** Addresses with a page or a table. */
  readonly #addresses: readonly string[];

  constructor(apps: readonly ListedApp[]) {
    this.#apps = apps;
    this.#addresses = apps.flatMap(({ appId, hasPage, hasConsole, tables }) => [
      ...(hasPage ? [`/${appId}/`] : []),
      ...(hasConsole ? [`${CONSOLE_PATH}/${appId}/`] : []),
      `/${appId}/_/docs`,
      ...tables.map((name) => `/${appId}/${name}`),
    ]);
  }

  /** Sends a page to a browser. False, and nothing is sent, for other clients and without an application to show. */
  send(request: FastifyRequest, reply: FastifyReply): boolean {
    if (this.#apps.length === 0 || !prefersPage(request)) return false;
    const [path = ''] = request.url.split('?', 1);
    const isStart = path === '/';
    const text = isStart ? this.#startPage() : this.#notFoundPage(path);
    void reply
      .code(isStart ? 200 : 404)
      .headers({
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': POLICY,
        'cache-control': isStart ? 'no-cache' : NEVER_KEPT,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        vary: 'Accept',
      })
      .send(text);
    return true;
  }

  #startPage(): string {
    const sections = this.#apps.map((app) => describeApp(app, ''));
    const count = this.#apps.length === 1 ? 'One application runs' : `${this.#apps.length} applications run`;
    return makeDocument(
      'Tablecast',
      STYLE,
      `<h1>Tablecast</h1>\n<p>${count} on this server.</p>\n${sections.join('\n')}`,
    );
  }

  #notFoundPage(path: string): string {
    const root = '../'.repeat(Math.max(path.split('/').length - 2, 0)) || './';
    const meant = findMeant(path, this.#addresses);
    const hint = meant === undefined ? '' : ` Did you mean ${makeLink(root + meant.slice(1), meant)}?`;
    const [, appId] = path.split('/');
    const apps = this.#apps.filter((app) => app.appId === appId);
    const sections = (apps.length > 0 ? apps : this.#apps).map((app) => describeApp(app, root));
    const shown = escapeHtml(path.length > MAX_SHOWN_CHARS ? `${path.slice(0, MAX_SHOWN_CHARS)}…` : path);
    return makeDocument(
      'Not found',
      STYLE,
      `<h1>Nothing is at this address</h1>\n<p><code>${shown}</code> is not there.${hint}</p>\n${sections.join('\n')}`,
    );
  }
}

/** Whether a browser asks for a page: other clients accept everything, or do not name HTML. */
function prefersPage({ method, headers }: FastifyRequest): boolean {
  return (method === 'GET' || method === 'HEAD') && prefersHtml(headers.accept);
}

function describeApp({ appId, hasPage, hasConsole, tables }: ListedApp, root: string): string {
  const at = `${root}${appId}/`;
  const pages = [
    ...(hasPage ? [makeLink(at, 'Application')] : []),
    ...(hasConsole ? [makeLink(`${root}${CONSOLE_PATH.slice(1)}/${appId}/`, 'Console')] : []),
    makeLink(`${at}_/docs`, 'API page'),
  ];
  const list = (links: readonly string[], name: string) =>
    `<ul${name === '' ? '' : ` class="${name}"`}>${links.map((link) => `<li>${link}</li>`).join('')}</ul>`;
  const names = tables.map((name) => makeLink(at + name, `/${appId}/${name}`));
  return `<section>\n<h2>${escapeHtml(appId)}</h2>\n${list(pages, '')}\n${names.length === 0 ? '' : list(names, 'tables')}</section>`;
}
