/** The script of the API page, served as a file of its own: the page's policy allows none inside it. */
export const PAGE_SCRIPT = `'use strict';
const MOST_EVENTS = 200;
const base = new URL('.', document.baseURI);

window.SwaggerUIBundle({
  url: new URL('openapi.json', base).href,
  dom_id: '#operations',
  presets: [window.SwaggerUIBundle.presets.apis],
  layout: 'BaseLayout',
  deepLinking: true,
  docExpansion: 'list',
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
});

const events = document.querySelector('#events');
const state = document.querySelector('#state');
let source;
let listening;

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
  while (events.childElementCount > MOST_EVENTS) events.lastElementChild.remove();
}

function stop() {
  if (source) source.close();
  if (listening) {
    listening.textContent = 'Listen';
    listening.setAttribute('aria-pressed', 'false');
  }
  source = undefined;
  listening = undefined;
}

function listen(button) {
  const address = new URL(button.dataset.channel, base);
  address.searchParams.set('stream', 'sse');
  source = new EventSource(address);
  listening = button;
  button.textContent = 'Stop';
  button.setAttribute('aria-pressed', 'true');
  events.replaceChildren();
  state.textContent = 'Connecting to ' + button.dataset.channel + '…';
  const current = source;
  source.onerror = (event) => {
    // The server's own "error" events have data; the browser's tell that the connection is gone.
    if (event.data) show('error', '', event.data);
    const ended = current.readyState === EventSource.CLOSED;
    state.textContent = ended ? 'The channel is not open to you, or is gone.' : 'Connection lost, trying again…';
    if (ended && source === current) stop();
  };
  source.onmessage = () => {
    state.textContent = 'Listening on ' + button.dataset.channel + '. Changes appear here as they happen.';
  };
  for (const name of ['update', 'delete', 'publish', 'retained', 'reset']) {
    source.addEventListener(name, (event) => show(name, event.lastEventId, event.data));
  }
}

for (const button of document.querySelectorAll('button[data-channel]')) {
  button.addEventListener('click', () => {
    const again = button === listening;
    stop();
    if (again) state.textContent = 'Stopped.';
    else listen(button);
  });
}
window.addEventListener('pagehide', stop);
`;
