import { connect } from './_/client.js';
import { Board } from './board.js';
import { $, button, h, notify, run, setSubmit } from './page.js';

const STATUS = { connecting: 'Connecting…', live: 'Live', waiting: 'Reconnecting…' };

// A login of its own for each window, so that two users can be tried side by side.
const client = connect('.', { storage: sessionStorage });
const { auth, tables } = client;
let boards;
let people;
let open;

client.onStatus((status) => {
  $('status').dataset.status = status;
  $('status').textContent = STATUS[status] ?? '';
});

setSubmit($('login-form'), async ({ name, password }, action) => {
  await auth[action === 'signup' ? 'signup' : 'login'](name, password);
  $('login-form').reset();
});

setSubmit($('board-form'), async ({ name }) => {
  const { id } = await tables.Board.create({ name });
  $('board-form').reset();
  location.hash = id;
});

$('logout').addEventListener('click', () => run(auth.logout()));
window.addEventListener('hashchange', show);
auth.onChange(enter);
enter(auth.user);

/** Shows the boards of the user who has logged in, or the login. */
async function enter(user) {
  for (const id of ['app', 'user', 'logout']) $(id).hidden = user === undefined;
  $('login').hidden = user !== undefined;
  open?.close();
  boards?.close();
  people?.close();
  open = boards = people = undefined;
  if (user === undefined) return;
  $('user').textContent = user.name;
  await run(tables.Person.put(user.id, { name: user.name }));
  people = tables.Person.live('sort=name', { onChange: () => open?.draw(), onError: report });
  boards = tables.Board.live('sort=name', { onChange: show, onError: report });
  await Promise.all([people.ready, boards.ready]).then(show, report);
}

/** Draws the list of boards, and opens the one in the address. */
function show() {
  if (boards === undefined) return;
  const wanted = boards.get(location.hash.slice(1)) ?? boards.records[0];
  if (wanted?.id !== open?.id) {
    open?.close();
    open = wanted && new Board({ client, people, report }, wanted.id);
  }
  $('board').hidden = wanted === undefined;
  $('empty').hidden = wanted !== undefined;
  $('boards').replaceChildren(...boards.records.map(boardItem));
  if (wanted !== undefined) open.draw(wanted);
}

function boardItem({ id, name, ownerId }) {
  const item = h(
    'li',
    {},
    button(name, () => (location.hash = id), { className: 'link' }),
  );
  item.firstChild.ariaCurrent = id === open?.id ? 'page' : null;
  if (ownerId !== auth.user?.id) item.append(h('span', { className: 'tag', textContent: 'shared' }));
  return item;
}

function report(error) {
  if (error.status === 401) run(auth.logout());
  else notify(error.message);
}
