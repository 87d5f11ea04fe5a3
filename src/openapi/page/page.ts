import type { Plan, TablePlan } from '../../schema/plan.ts';
import { isOffered } from '../../schema/plan.ts';
import type { DocumentText } from '../contract.ts';
import { exportedTables } from '../openapi.ts';
import { addressOf } from './files.ts';

/** Nothing from elsewhere, nothing inside the page; the operations draw their icons as `data:` images. */
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

/** The API page. Its addresses are relative, so that it also works behind a proxy that adds a prefix. */
export async function makePage(plan: Plan): Promise<DocumentText> {
  const names = ['swagger-ui.css', 'page.css', 'favicon-32x32.png', 'swagger-ui-bundle.js', 'page.js'];
  const [operationsStyle, style, icon, operations, script] = await Promise.all(names.map(addressOf));
  const title = escapeHtml(plan.appId);
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} – API</title>
<link rel="icon" type="image/png" href="${icon}">
<link rel="stylesheet" href="${operationsStyle}">
<link rel="stylesheet" href="${style}">
<script defer src="${operations}"></script>
<script defer src="${script}"></script>
</head>
<body>
<header>
<h1>${title}</h1>
<p><a href="openapi.json">OpenAPI</a> · <a href="asyncapi.json">AsyncAPI</a></p>
</header>
<main>
${channels(plan)}
<div id="operations"></div>
<noscript><p>The operations are in <a href="openapi.json">openapi.json</a>; showing them here needs JavaScript.</p></noscript>
</main>
</body>
</html>
`;
  return { text, type: 'text/html; charset=utf-8', policy: POLICY };
}

function channels(plan: Plan): string {
  const rows = exportedTables(plan).filter(isLive).map(channel);
  if (rows.length === 0) return '';
  return `<section class="channels">
<h2>Live channels</h2>
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
  const shown = [transports.has('ws') ? 'WebSocket' : '', transports.has('sse') ? 'Server-Sent Events' : ''];
  const button = `<button type="button" data-channel="${path}" aria-pressed="false">Listen</button>`;
  const name = `<code>/${path}</code><span>${shown.filter((it) => it !== '').join(', ')}</span>`;
  return `<li>${name}${transports.has('sse') ? button : ''}</li>`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
