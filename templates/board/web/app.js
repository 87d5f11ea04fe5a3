import { connect } from './client.js';

const STATUS = { connecting: 'Connecting…', live: 'Live', waiting: 'Reconnecting…', closed: 'Not connected' };
const FIRST_LISTS = ['To do', 'Doing', 'Done'];

const $ = (id) => document.getElementById(id);
const columns = new Map();
const elements = new Map();
/** Where cards go that the server has not moved yet: `{ listId, position }` by id. */
const moves = new Map();
let dragged;

// The page is at /{app_id}/, so that the application is the folder of the page.
const { tables } = connect('.');
const lists = tables.List.live('sort=position', { onChange: show, onError: report });
const cards = tables.Card.live('sort=position', {
  onChange: show,
  onError: report,
  onStatus: (status) => {
    $('status').dataset.status = status;
    $('status').textContent = STATUS[status] ?? status;
  },
});

await lists.ready;
if (lists.size === 0) {
  // Two windows may do this at once: `ifSeq: null` creates each list only where there is none.
  FIRST_LISTS.forEach((title, position) => {
    tables.List.put(`list-${position + 1}`, { title, position }, { ifSeq: null }).catch(() => {});
  });
}

/** The cards of a list in their order, moved ones where they go. */
function cardsOf(listId) {
  return cards.records
    .map((card) => ({ ...card, ...moves.get(card.id) }))
    .filter((card) => card.listId === listId)
    .sort((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1));
}

function show() {
  arrange($('board'), lists.records.map(columnOf));
  for (const { id } of lists.records) {
    arrange(columns.get(id).querySelector('ol'), cardsOf(id).map(elementOf));
  }
}

/** Puts exactly these children into the parent, and touches only what differs. */
function arrange(parent, children) {
  for (const child of [...parent.children]) if (!children.includes(child)) child.remove();
  children.forEach((child, index) => {
    if (parent.children[index] !== child) parent.insertBefore(child, parent.children[index] ?? null);
  });
}

function columnOf({ id, title }) {
  const column = columns.get(id) ?? makeColumn(id);
  column.querySelector('h2').textContent = title;
  column.querySelector('input').ariaLabel = `Add a card to ${title}`;
  return column;
}

function makeColumn(id) {
  const column = $('list').content.firstElementChild.cloneNode(true);
  columns.set(id, column);
  column.querySelector('form').addEventListener('submit', (event) => {
    event.preventDefault();
    const { title } = Object.fromEntries(new FormData(event.target));
    event.target.reset();
    tables.Card.create({ title, listId: id, position: positionAt(id, Number.POSITIVE_INFINITY) }).then(clear, report);
  });
  column.addEventListener('dragover', (event) => {
    if (dragged !== undefined) event.preventDefault();
  });
  column.addEventListener('drop', (event) => {
    event.preventDefault();
    const others = [...column.querySelectorAll('li')].filter(({ dataset }) => dataset.id !== dragged);
    const before = others.findIndex((item) => {
      const { top, height } = item.getBoundingClientRect();
      return event.clientY < top + height / 2;
    });
    move(dragged, id, before < 0 ? others.length : before);
  });
  return column;
}

function elementOf({ id, title, listId }) {
  const element = elements.get(id) ?? makeCard(id);
  element.querySelector('p').textContent = title;
  const index = lists.records.findIndex((list) => list.id === listId);
  for (const [name, target] of [
    ['left', lists.records[index - 1]],
    ['right', lists.records[index + 1]],
  ]) {
    const button = element.querySelector(`.${name}`);
    button.disabled = target === undefined;
    button.ariaLabel = target === undefined ? 'Move' : `Move “${title}” to ${target.title}`;
    button.onclick = () => move(id, target.id, Number.POSITIVE_INFINITY);
  }
  element.querySelector('.delete').ariaLabel = `Delete “${title}”`;
  return element;
}

function makeCard(id) {
  const element = $('card').content.firstElementChild.cloneNode(true);
  elements.set(id, element);
  element.dataset.id = id;
  element.querySelector('.delete').addEventListener('click', () => tables.Card.delete(id).then(clear, report));
  element.addEventListener('dragstart', ({ dataTransfer }) => {
    dragged = id;
    dataTransfer.effectAllowed = 'move';
  });
  element.addEventListener('dragend', () => {
    dragged = undefined;
  });
  return element;
}

/** Moves the card on the page at once, then on the server; when the server denies it, the card goes back. */
async function move(id, listId, index) {
  const target = { listId, position: positionAt(listId, index, id) };
  moves.set(id, target);
  show();
  try {
    await tables.Card.patch(id, target);
    clear();
  } catch (error) {
    report(error);
  }
  // A later move of the same card has an entry of its own.
  if (moves.get(id) === target) moves.delete(id);
  show();
}

/** A number between those of the neighbours, so that no other card has to change. */
function positionAt(listId, index, movedId) {
  const others = cardsOf(listId).filter(({ id }) => id !== movedId);
  const before = others[Math.min(index, others.length) - 1]?.position;
  const after = others[index]?.position;
  if (before === undefined) return after === undefined ? 0 : after - 1;
  return after === undefined ? before + 1 : (before + after) / 2;
}

function clear() {
  $('error').textContent = '';
}

function report(error) {
  $('error').textContent = error.message;
}
