import { connect } from './client.js';

const STATUS = { connecting: 'Connecting…', live: 'Live', waiting: 'Reconnecting…', closed: 'Not connected' };
/** Fields that have a place of their own; others are shown behind the title. */
const PLACED = new Set(['id', 'title', 'done', 'createdAt']);

const $ = (id) => document.getElementById(id);
const items = new Map();

// The page is at /{app_id}/, so that the application is the folder of the page.
const { tables } = connect('.');

tables.Task.live('sort=-createdAt', {
  onChange: show,
  onStatus: (status) => {
    $('status').dataset.status = status;
    $('status').textContent = STATUS[status] ?? status;
  },
  onError: report,
});

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  const title = $('title').value.trim();
  if (title === '') return;
  run(tables.Task.create({ title }), () => $('form').reset());
});

function show(tasks) {
  const gone = new Set(items.keys());
  for (const task of tasks) {
    gone.delete(task.id);
    const item = items.get(task.id) ?? add(task.id);
    update(item, task);
    // Moves the item only where the order has changed.
    const place = tasks.indexOf(task);
    if ($('tasks').children[place] !== item) $('tasks').insertBefore(item, $('tasks').children[place] ?? null);
  }
  for (const id of gone) {
    items.get(id).remove();
    items.delete(id);
  }
  $('empty').hidden = tasks.length > 0;
}

function add(id) {
  const item = $('task').content.firstElementChild.cloneNode(true);
  items.set(id, item);
  item.querySelector('input').addEventListener('change', ({ target }) => {
    run(tables.Task.patch(id, { done: target.checked }));
  });
  item.querySelector('.delete').addEventListener('click', () => run(tables.Task.delete(id)));
  return item;
}

function update(item, task) {
  item.querySelector('input').checked = task.done;
  item.querySelector('.title').textContent = task.title;
  item.querySelector('.delete').ariaLabel = `Delete “${task.title}”`;
  item.querySelector('.more').textContent = Object.entries(task)
    .filter(([name, value]) => !PLACED.has(name) && value !== null)
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(' · ');
}

/** Reports a request that failed, in the words of the server. */
function run(request, done = () => {}) {
  request.then(() => {
    $('error').hidden = true;
    done();
  }, report);
}

function report(error) {
  $('error').textContent =
    error.errors?.map(({ field, message }) => `${field}: ${message}`).join(', ') || error.message;
  $('error').hidden = false;
}
