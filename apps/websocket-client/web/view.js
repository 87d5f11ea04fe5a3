// Everything that touches the page. Text from others only ever becomes text.
const $ = (id) => document.getElementById(id);
const unread = new Map();
const time = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
let shownRooms = [];
let shownRoom = '';
let typingTimer;
let choose = () => {};

export function onEnter(enter) {
  $('enter').addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      await enter($('enter').elements.name.value.trim());
      $('enter').hidden = true;
      $('chat').hidden = false;
      $('text').focus();
    } catch (error) {
      $('enter-error').textContent = `The backend cannot be reached: ${error.message}`;
    }
  });
}

export function onSay(say) {
  $('say').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => say($('text').value));
    $('text').value = '';
  });
}

export function onTyping(tell) {
  $('text').addEventListener('input', () => attempt(tell));
}

export function onOpenRoom(open) {
  $('open').addEventListener('submit', (event) => {
    event.preventDefault();
    attempt(() => open($('room-name').value.trim()));
    $('room-name').value = '';
  });
}

export function onChoose(listener) {
  choose = listener;
}

export function showStatus(status) {
  $('status').dataset.state = status;
  $('status').textContent = status === 'live' ? 'Connected' : 'Connecting…';
}

export function showError(message) {
  $('say-error').textContent = message;
}

export function showRooms(names) {
  shownRooms = names;
  const items = names.map((name) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.setAttribute('aria-current', String(name === shownRoom));
    button.addEventListener('click', () => attempt(() => choose(name)));
    const count = unread.get(name);
    if (count !== undefined) button.append(make('span', 'unread', `${count}`));
    return make('li', '', button);
  });
  $('rooms').replaceChildren(...items);
}

export function showRoom(name) {
  shownRoom = name;
  unread.delete(name);
  $('title').textContent = name;
  $('typing').textContent = '';
  $('messages').replaceChildren();
  showError('');
  showRooms(shownRooms);
}

export function addUnread(room) {
  unread.set(room, (unread.get(room) ?? 0) + 1);
  showRooms(shownRooms);
}

export function showMembers(names) {
  $('members').textContent = names.length === 0 ? '' : `Here: ${names.toSorted().join(', ')}`;
}

export function showMessages(messages, me) {
  $('messages').replaceChildren(...messages.map((message) => makeMessage(message, me)));
  scrollDown();
}

export function addMessage(message, me) {
  $('messages').append(makeMessage(message, me));
  $('typing').textContent = '';
  scrollDown();
}

/** `duration`: milliseconds. */
export function showTyping(name, duration) {
  $('typing').textContent = `${name} is typing…`;
  clearTimeout(typingTimer);
  typingTimer = setTimeout(() => {
    $('typing').textContent = '';
  }, duration);
}

function makeMessage({ author, text, at }, me) {
  const item = make('li', author === me ? 'own' : '', make('small', '', `${author} · ${time.format(new Date(at))}`));
  item.append(text);
  return item;
}

function make(name, className, content) {
  const element = document.createElement(name);
  if (className !== '') element.className = className;
  element.append(content);
  return element;
}

function scrollDown() {
  $('messages').scrollTop = $('messages').scrollHeight;
}

async function attempt(act) {
  try {
    await act();
    showError('');
  } catch (error) {
    showError(error.message);
  }
}
