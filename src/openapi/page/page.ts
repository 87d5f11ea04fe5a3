import type { TablePlan } from '../../schema/plan.ts';
import { isOffered } from '../../schema/plan.ts';
import { escapeHtml } from '../../server/web/html.ts';
import type { DocumentText, PageOptions } from '../contract.ts';
import { type ContractSource, exportedTables } from '../openapi.ts';
import { exampleBody } from '../schemas/examples.ts';
import { addressOf } from './files.ts';

/** Content-Security-Policy: no other origins, no inline code. The operations draw their icons as `data:` images. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

type Source = Pick<ContractSource, 'plan' | 'version' | 'auth'>;

/** Makes the API page. Its addresses are relative, so that it also works behind a proxy that adds a prefix. */
export async function makePage(source: Source, options: PageOptions): Promise<DocumentText> {
  const names = ['swagger-ui.css', 'page.css', 'favicon-32x32.png', 'swagger-ui-bundle.js', 'page.js'];
  const [operationsStyle, style, icon, operations, script] = await Promise.all(names.map(addressOf));
  const title = escapeHtml(source.plan.appId);
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} – API</title>
<link rel="icon" type="image/png" href="${icon}">
<link rel="stylesheet" href="${operationsStyle}">
<link rel="stylesheet" href="${style}">
<script defer src="${operations}"></script>
<script defer src="${script}"></script>
</head>
<body data-root="${options.root}"${source.auth ? ' data-auth' : ''}>
<header>
<h1>${title} <span class="badge">API</span> <span class="version">version ${escapeHtml(source.version)}</span></h1>
${links(options)}
</header>
<main>
${introduction(source, options)}
${channels(source)}
<section class="operations" aria-labelledby="operations-title">
<h2 id="operations-title">Operations</h2>
<p id="caller" role="status"></p>
<div id="operations"></div>
<noscript><p>The operations are in <a href="openapi.json">openapi.json</a>; showing them here needs JavaScript.</p></noscript>
</section>
</main>
</body>
</html>
`;
  return { text, type: 'text/html; charset=utf-8', policy: POLICY };
}

function links({ hasOwnPage, root }: PageOptions): string {
  const all: readonly (readonly [string, string])[] = [
    ...(hasOwnPage ? ([[root, 'Application']] as const) : []),
    ['openapi.json', 'OpenAPI'],
    ['openapi.json?media=all', 'OpenAPI, all media types'],
    ['asyncapi.json', 'AsyncAPI'],
    ['client.js', 'JavaScript client'],
  ];
  return `<nav aria-label="Documents">${all.map(([href, name]) => `<a href="${href}">${name}</a>`).join('\n')}</nav>`;
}

/** Makes the introduction before the list of operations, with requests that can be sent as they are. */
function introduction({ plan, auth }: Source, { hasUsers }: PageOptions): string {
  const table = exportedTables(plan).find(({ transports }) => transports.has('rest')) ?? exportedTables(plan)[0];
  if (table === undefined) return '';
  return `<section class="start" aria-labelledby="start-title">
<h2 id="start-title">Start here</h2>
<p>Each table of the schema is a list at <code>/{Table}</code> and its records at <code>/{Table}/{id}</code>. The address that
lists is also the one that streams: with <code>Accept: text/event-stream</code>, or as a WebSocket, it sends every change as it
is committed. Errors are problem details (RFC 9457) with a stable <code>code</code>.</p>
<p>Lists are filtered by their fields: <code>price[lt]=10</code>, <code>title=A*</code>, <code>gt</code>,
<code>ge</code>, <code>le</code>, <code>ct</code>, <code>sw</code>, <code>ew</code> (contains, begins, ends),
<code>ft</code> (words), <code>kind[in]=a,b</code>. Lists are ordered by <code>sort=-price</code>, and
<code>select=title</code> leaves the other fields out.</p>
${auth ? describeAuth(hasUsers) : ''}<div class="samples">
${sample('curl', curl(table, auth))}
${sample('JavaScript', javascript(table, auth))}
</div>
</section>`;
}

function describeAuth(hasUsers: boolean): string {
  const login = hasUsers ? '; executing <code>POST /auth/login</code> on this page fills it in' : '';
  return `<p>Callers identify themselves with a token or an API key. <strong>Authorize</strong> below takes one${login}. Without it
you see what is public.</p>
`;
}

function sample(title: string, code: string): string {
  return `<figure><figcaption>${title}</figcaption><pre><code>${code}</code></pre></figure>`;
}

/** Marks an address; the script of the page replaces it by the absolute one. */
function address(path: string): string {
  return `<span data-address="${escapeHtml(path)}">${escapeHtml(path)}</span>`;
}

function curl(table: TablePlan, auth: boolean): string {
  const path = table.exportName ?? table.name;
  const header = auth ? ' \\\n  -H "authorization: Bearer $TOKEN"' : '';
  const reads = table.transports.has('rest') && isOffered(table, 'read');
  const creates = table.transports.has('rest') && isOffered(table, 'create');
  const streams = table.transports.has('sse') && isOffered(table, 'subscribe');
  const body = JSON.stringify(exampleBody(table, 'create')).replaceAll("'", "'\\''");
  const lines = [
    ...(reads ? [`curl ${address(`${path}?limit=10`)}${header}`] : []),
    ...(creates
      ? [`curl ${address(path)}${header} \\\n  -H 'content-type: application/json' \\\n  -d '${escapeHtml(body)}'`]
      : []),
    ...(streams ? [`curl -N ${address(`${path}?stream=sse`)}${header}`] : []),
  ];
  return lines.join('\n');
}

function javascript(table: TablePlan, auth: boolean): string {
  const name = table.exportName ?? table.name;
  const member = /^[A-Za-z_$][\w$]*$/.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`;
  const options = auth ? ', { token }' : '';
  return `import { connect } from '${address('_/client.js')}';

const { tables } = connect('${address('')}'${options});
const list = tables${escapeHtml(member)}.live('limit=10', {
  onChange: (records) => show(records),
});`;
}

function channels({ plan }: Source): string {
  const rows = exportedTables(plan).filter(isLive).map(channel);
  if (rows.length === 0) return '';
  return `<section class="channels" aria-labelledby="channels-title">
<h2 id="channels-title">Live channels</h2>
<p>Every change of a table, as it is committed; <code>/{id}</code> after the address is the channel of one record.</p>
<ul>
${rows.join('\n')}
</ul>
<p id="state" role="status"></p>
<ol id="events" aria-label="Events"></ol>
</section>`;
}

function isLive(table: TablePlan): boolean {
  const { transports } = table;
  return isOffered(table, 'subscribe') && (transports.has('sse') || transports.has('ws'));
}

function channel({ exportName = '', transports }: TablePlan): string {
  const path = escapeHtml(exportName);
  const names = [transports.has('ws') ? 'WebSocket' : '', transports.has('sse') ? 'SSE' : ''];
  const kinds = names.filter((it) => it !== '').map((it) => `<span class="kind">${it}</span>`);
  const button = `<button type="button" data-channel="${path}" aria-pressed="false">Listen</button>`;
  return `<li><code>/${path}</code><span class="kinds">${kinds.join('')}</span>${transports.has('sse') ? button : ''}</li>`;
}
