import { connect } from './client.js';

const STATUS = { connecting: 'Connecting…', live: 'Live', waiting: 'Reconnecting…', closed: 'Not connected' };
const MESSAGES_SHOWN = 100;
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

const $ = (id) => document.getElementById(id);

// The login is of this window. A second window has one of its own, so that you can try two users.
const client = connect('.', { storage: sessionStorage });
const { auth } = client;

let user;
let rooms;
let roomList;
let profiles;
let messages;
let room;

if (auth.user === undefined) $('login').hidden = false;
else enter();

$('login-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { name, password } = Object.fromEntries(new FormData(event.target));
  try {
    if (event.submitter?.value === 'signup') await auth.signup(name, password);
    else await auth.login(name, password);
    $('login-error').textContent = '';
    event.target.reset();
    enter();
  } catch (error) {
    $('login-error').textContent = describe(error);
  }
});

$('logout').addEventListener('click', leave);

$('room-form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const { id } = Object.fromEntries(new FormData(event.target));
  event.target.reset();
  await open(id.trim());
});

$('message-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const { text } = Object.fromEntries(new FormData(event.target));
  const { id, name } = user;
  event.target.reset();
  // Over a lost connection the client repeats it; the server stores it once.
  run(client.tables.Message.create({ room, authorId: id, author: name, text }));
});

async function enter() {
  $('login').hidden = true;
  $('chat').hidden = false;
  user = auth.user;
  const { id, name } = user;
  await run(client.tables.Profile.put(id, { name }));
  profiles = client.tables.Profile.live('', { onChange: showMembers, onError: report });
  rooms = client.rooms('ws', { onPresence: showMembers, onError: report });
  roomList = client.tables.Room.live('sort=id', { onChange: showRooms, onError: report });
  await roomList.ready;
  await open('lobby');
}

/** Goes to a room, which is created unless it exists. */
async function open(name) {
  if (room !== undefined) rooms.leave(room).catch(report);
  messages?.close();
  room = name;
  $('room-name').textContent = name;
  $('messages').replaceChildren();
  if (roomList.get(name) === undefined) await run(client.tables.Room.create({ id: name }).catch(ignoreConflict));
  rooms.join(name).catch(report);
  messages = client.tables.Message.live(
    { room: name, sort: '-at', limit: MESSAGES_SHOWN },
    { onChange: showMessages, onStatus: showStatus, onError: report },
  );
  for (const button of $('rooms').querySelectorAll('button')) mark(button);
}

function showRooms(records) {
  const items = records.map(({ id }) => {
    const button = document.createElement('button');
    button.className = 'plain';
    button.textContent = id;
    button.addEventListener('click', () => open(id));
    mark(button);
    const item = document.createElement('li');
    item.append(button);
    return item;
  });
  $('rooms').replaceChildren(...items);
}

function mark(button) {
  button.ariaCurrent = button.textContent === room ? 'page' : null;
}

function showMembers() {
  const names = rooms?.members(room).map((id) => profiles.get(id)?.name ?? '…') ?? [];
  $('members').textContent = names.length === 0 ? '' : `Online: ${names.sort().join(', ')}`;
}

/** Newest first in the list; the page has them at the bottom. */
function showMessages(records) {
  $('messages').replaceChildren(...records.toReversed().map(makeMessage));
  $('messages').lastElementChild?.scrollIntoView({ block: 'end' });
}

function makeMessage({ id, authorId, author, text, at }) {
  const item = $('message').content.firstElementChild.cloneNode(true);
  const isOwn = authorId === user.id;
  item.classList.toggle('own', isOwn);
  item.querySelector('b').textContent = author;
  item.querySelector('time').textContent = TIME.format(new Date(at));
  item.querySelector('.text').textContent = text;
  const button = item.querySelector('.delete');
  button.hidden = !isOwn && !user.roles.includes('moderator');
  button.addEventListener('click', () => run(client.tables.Message.delete(id)));
  return item;
}

function showStatus(status) {
  $('status').dataset.status = status;
  $('status').textContent = STATUS[status] ?? status;
}

function ignoreConflict(error) {
  if (error.code !== 'CONFLICT') throw error;
}

async function leave() {
  await auth.logout();
  location.reload();
}

/** Reports a request that failed, in the words of the server. */
async function run(request) {
  try {
    await request;
    $('error').textContent = '';
  } catch (error) {
    report(error);
  }
}

function report(error) {
  // The login has ended: the refresh token is too old, or the user was disabled.
  if (error.status === 401) leave();
  else $('error').textContent = describe(error);
}

function describe({ message, errors }) {
  return errors.map(({ field, message: why }) => `${field} ${why}`).join(', ') || message;
}
