import { Board } from './board.js';
import { Channel, Refusal } from './channel.js';
import { MessageForm } from './form.js';
import { FrameLog } from './frame-log.js';
import { TypingNotices, Typists } from './typing.js';

const NOTICE_TIME = 8000;

const $ = (id) => document.getElementById(id);
const channel = new Channel('Message', {
  onFrame: take,
  onStatus: showStatus,
});
const notices = new TypingNotices(channel);
const typists = new Typists(showTyping);
const frames = new FrameLog($('frames'));
const board = new Board($('messages'), {
  save: (id, fields) => channel.put(id, fields),
  remove,
  typing: (id, isTyping) => notices.say(id, isTyping),
});
const compose = new MessageForm($('compose'), {
  submitLabel: 'Send',
  onSave: send,
  onInput: () => notices.say(null, !compose.isEmpty),
});

/** The state that a snapshot builds up; it is shown when it is whole. */
let snapshot;
/** Kept until it is confirmed: sending it once more then stores it once. */
let draftId = makeId();
let noticeTimer;

function take(frame) {
  const { type, id, data, live } = frame;
  if (type !== 'snapshot') frames.add(frame);
  if (frame.direction === 'out') return;
  if (type === 'snapshot') snapshot = new Map();
  else if (type === 'Retained') snapshot.set(id, data);
  else if (type === 'Update') update(data, live);
  else if (type === 'Delete') forget(id, live);
  // What was published before this window was connected is no news.
  else if (type === 'Publish' && live && data?.kind === 'typing' && !notices.isOwn(data)) typists.hear(data);
  else if (type === 'ready') ready();
  $('position').textContent = channel.position ?? 'none yet';
  $('count').textContent = countOf(board.size);
  $('empty').hidden = board.size > 0 || channel.position === undefined;
}

function countOf(size) {
  if (size === 0) return '';
  return size === 1 ? '1 message' : `${size} messages`;
}

function update(message, live) {
  if (snapshot !== undefined) snapshot.set(message.id, message);
  else {
    const isNew = board.get(message.id) === undefined;
    board.set(message, true);
    if (live) announce(`${isNew ? 'New' : 'Changed'}: ${message.title}`);
  }
}

function forget(id, live) {
  if (snapshot !== undefined) snapshot.delete(id);
  else {
    const title = board.get(id)?.title;
    board.remove(id);
    if (live && title !== undefined) announce(`Deleted: ${title}`);
  }
}

function ready() {
  if (snapshot === undefined) return;
  board.replaceAll([...snapshot.values()]);
  snapshot = undefined;
}

async function send(fields) {
  await channel.put(draftId, fields);
  draftId = makeId();
  notices.say(null, false);
  compose.clear();
  compose.focus();
}

async function remove({ id, title, content }) {
  try {
    await channel.delete(id);
    notify(`“${shorten(title)}” was deleted.`, {
      label: 'Undo',
      run: () => channel.put(id, { title, content }),
    });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    notify(error.message);
  }
}

/** A sentence at the foot of the page, with something that can be done about it. */
function notify(text, action) {
  const notice = $('notice');
  clearTimeout(noticeTimer);
  const sentence = document.createElement('p');
  sentence.textContent = text;
  notice.replaceChildren(sentence);
  if (action !== undefined) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'quiet';
    button.textContent = action.label;
    button.addEventListener('click', () => {
      notice.replaceChildren();
      action.run().catch((error) => notify(error.message));
    });
    notice.append(button);
  }
  noticeTimer = setTimeout(() => notice.replaceChildren(), NOTICE_TIME);
}

function shorten(text) {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}

function announce(text) {
  $('announce').textContent = text;
}

function showTyping(id, count) {
  if (id !== null) board.showTyping(id, count);
  else $('typing').textContent = count === 0 ? '' : `${count === 1 ? 'Somebody is' : `${count} people are`} typing…`;
}

function showStatus({ state, kind }) {
  const name = kind === 'sse' ? 'Server-Sent Events' : 'WebSocket';
  const texts = { connecting: 'Connecting…', live: `Live over ${name}`, waiting: 'Connection lost, trying again…' };
  $('status').dataset.state = state;
  $('status-text').textContent = texts[state];
}

/** A UUIDv7, so that ids sort by age. `crypto.randomUUID` is not there on plain HTTP from another machine. */
function makeId() {
  const time = Date.now().toString(16).padStart(12, '0');
  const random = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => byte.toString(16).padStart(2, '0'));
  const hex = `${time}7${random.join('').slice(0, 3)}8${random.join('').slice(3, 18)}`;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function useTransport(kind) {
  const url = new URL(location.href);
  url.searchParams.set('transport', kind);
  history.replaceState(null, '', url);
  $('another').href = url.href;
  channel.open(kind);
}

const wanted = new URLSearchParams(location.search).get('transport') === 'sse' ? 'sse' : 'ws';
for (const input of document.querySelectorAll('input[name="transport"]')) {
  input.checked = input.value === wanted;
  input.addEventListener('change', () => useTransport(input.value));
}
$('clear').addEventListener('click', () => frames.clear());
// On a narrow screen the messages come first.
$('frames-details').open = matchMedia('(min-width: 60rem)').matches;
useTransport(wanted);
