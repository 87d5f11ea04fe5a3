/** Script of the API page. It is a file of its own, since the page's policy allows no inline scripts. */
export const PAGE_SCRIPT = `'use strict';
const MAX_EVENTS = 200;
const RECONNECT_MS = 2000;
const base = new URL(document.body.dataset.root, document.baseURI);
const hasAuth = document.body.hasAttribute('data-auth');
const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const applyTheme = () => document.documentElement.classList.toggle('dark-mode', dark.matches);
applyTheme();
dark.addEventListener('change', applyTheme);

for (const place of document.querySelectorAll('[data-address]')) {
  place.textContent = new URL(place.dataset.address, base).href.replace(/\\/$/, '');
}

const isError = (status) => status === 'default' || Number(status) >= 400;

/** Returns the codes of an error response, by status. */
function codesOf(status, description) {
  const codes = new Map();
  for (const [, own, code] of description.matchAll(/(?:^|\\n)(?:([0-9]{3}) )?\`([A-Z_]+)\`/g)) {
    const name = own || status;
    codes.set(name, (codes.get(name) || []).concat('\`' + code + '\`'));
  }
  return [...codes].map(([name, list]) => '**' + name + '** ' + list.join(' '));
}

/** Joins all errors of an operation in one row: a dozen of them, each with examples, are longer than a screen. */
function shortenResponses({ responses }, components) {
  const lines = [];
  for (const [status, response] of Object.entries(responses)) {
    const name = response.$ref && decodeURIComponent(response.$ref.split('/').pop());
    if (!isError(status)) delete response.headers;
    else {
      lines.push(...codesOf(status, (name ? components.responses[name] : response).description));
      delete responses[status];
    }
  }
  if (lines.length > 0) responses.errors = { description: lines.sort().join('\\n\\n') };
}

/** Removes what a parameter repeats: the operators are explained once, above, and an example would be sent as it is. */
function shortenParameter(parameter) {
  if (!parameter.required) delete parameter.example;
  const [before, after] = (parameter.description || '').split('Condition.');
  const example = after && /\`[^\`]+\`[^\`]*$/.exec(after);
  if (example) parameter.description = before + 'Condition, as ' + example[0];
}

/** Adapts the document to this page: its server is the address of the page. */
function forPage(document) {
  const { components } = document;
  document.servers = [{ url: base.href.replace(/\\/$/, '') }];
  delete document.info.description;
  Object.values(components.parameters).forEach(shortenParameter);
  for (const item of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = item[method];
      if (!operation) continue;
      (operation.parameters || []).forEach(shortenParameter);
      shortenResponses(operation, components);
      const [server] = operation.servers || [];
      // An operation at the root of the server, not below the application.
      if (server && new URL(server.url).port === location.port) server.url = new URL('..', base).href.replace(/\\/$/, '');
    }
  }
  return document;
}

let ui;
const caller = document.querySelector('#caller');

/** Uses the token of a login that was executed on the page for later requests. */
function takeLogin(response) {
  const isLogin = /\\/auth\\/(?:login|signup|refresh|password)$/.test(new URL(response.url, base).pathname);
  const token = isLogin && response.ok && response.body && response.body.access_token;
  if (!token) return response;
  ui.preauthorizeApiKey('bearer', token);
  caller.textContent = 'Logged in as ' + response.body.user.name + '.';
  return response;
}

async function showOperations() {
  const answer = await fetch(new URL('_/openapi.json', base));
  if (!answer.ok) throw new Error('openapi.json was answered with ' + answer.status);
  ui = window.SwaggerUIBundle({
    spec: forPage(await answer.json()),
    dom_id: '#operations',
    presets: [window.SwaggerUIBundle.presets.apis],
    layout: 'BaseLayout',
    deepLinking: true,
    docExpansion: 'list',
    defaultModelsExpandDepth: 0,
    defaultModelRendering: 'example',
    responseInterceptor: takeLogin,
    validatorUrl: null,
  });
}
showOperations().catch((error) => { caller.textContent = 'The operations cannot be shown: ' + error.message; });

function tokenOf() {
  const bearer = hasAuth && ui && ui.authSelectors.authorized().get('bearer');
  return (bearer && bearer.get('value')) || undefined;
}

const events = document.querySelector('#events');
const state = document.querySelector('#state');
let source;
let listening;
let timer;

function show(name, id, data) {
  const row = document.createElement('li');
  for (const [kind, text] of [['name', name], ['seq', id], ['data', data]]) {
    const cell = document.createElement('span');
    cell.className = kind;
    cell.textContent = text;
    row.append(cell);
  }
  row.dataset.event = name;
  events.prepend(row);
  while (events.childElementCount > MAX_EVENTS) events.lastElementChild.remove();
}

function stop() {
  clearTimeout(timer);
  if (source) source.close();
  if (listening) {
    listening.textContent = 'Listen';
    listening.setAttribute('aria-pressed', 'false');
  }
  source = undefined;
  listening = undefined;
}

function giveUp(text) {
  stop();
  state.textContent = text;
}

/** Adds a ticket to the address, since an EventSource cannot send the token. A ticket opens one stream. */
async function addTicket(address) {
  const token = tokenOf();
  if (!token) return false;
  const headers = { authorization: 'Bearer ' + token };
  const answer = await fetch(new URL('_/auth/ticket', base), { method: 'POST', headers });
  if (!answer.ok) throw await problemOf(answer);
  address.searchParams.set('ticket', (await answer.json()).ticket);
  return true;
}

async function problemOf(answer) {
  if (answer.status === 401) return new Error(tokenOf() ? 'The token is no longer valid. Log in again.' : 'Log in first.');
  const problem = await answer.json().catch(() => ({}));
  return new Error(problem.detail || 'The channel was answered with ' + answer.status + '.');
}

/** Requests a stream again to find out why it did not open, which an EventSource does not report. */
async function reasonOf(address) {
  const abort = new AbortController();
  const answer = await fetch(address, { headers: { accept: 'text/event-stream' }, signal: abort.signal });
  if (!answer.ok) return problemOf(answer);
  abort.abort();
  return undefined;
}

async function listen(button, since) {
  const address = new URL(button.dataset.channel, base);
  address.searchParams.set('stream', 'sse');
  if (since) address.searchParams.set('since', since);
  const plain = new URL(address);
  const hasTicket = await addTicket(address);
  if (listening !== button) return;
  const current = new EventSource(address);
  source = current;
  let last = since;
  const again = () => {
    current.close();
    timer = setTimeout(() => listen(button, last).catch((error) => giveUp(error.message)), RECONNECT_MS);
  };
  current.onerror = async (event) => {
    // The server's own "error" events have data; the browser's say that the connection is gone.
    if (event.data) show('error', '', event.data);
    if (source !== current) return;
    const wasOpened = state.dataset.open === 'true';
    state.textContent = 'Connection lost, trying again…';
    // A ticket opens one stream, so the browser cannot reconnect by itself.
    if (wasOpened && hasTicket) return again();
    if (current.readyState !== EventSource.CLOSED) return;
    const reason = hasTicket ? undefined : await reasonOf(plain).catch(() => undefined);
    if (source === current) giveUp(reason ? reason.message : 'The channel is not open to you, or is gone.');
  };
  current.onmessage = () => {
    state.dataset.open = 'true';
    state.textContent = 'Listening on ' + button.dataset.channel + '. Changes appear here as they happen.';
  };
  for (const name of ['update', 'delete', 'publish', 'retained', 'reset']) {
    current.addEventListener(name, (event) => {
      last = event.lastEventId || last;
      show(name, event.lastEventId, event.data);
    });
  }
}

function begin(button) {
  listening = button;
  button.textContent = 'Stop';
  button.setAttribute('aria-pressed', 'true');
  events.replaceChildren();
  state.dataset.open = 'false';
  state.textContent = 'Connecting to ' + button.dataset.channel + '…';
  listen(button).catch((error) => giveUp(error.message));
}

for (const button of document.querySelectorAll('button[data-channel]')) {
  button.addEventListener('click', () => {
    const again = button === listening;
    stop();
    if (again) state.textContent = 'Stopped.';
    else begin(button);
  });
}
window.addEventListener('pagehide', stop);
`;
