import { MessageForm } from './form.js';
import { instantiate } from './template.js';

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** The list of messages, newest first. Everything a person wrote goes into the page as text, never as markup. */
export class Board {
  #list;
  #actions;
  #entries = new Map();

  /** `actions`: `save(id, fields)`, `remove(message)`, `typing(id, isTyping)`. */
  constructor(list, actions) {
    this.#list = list;
    this.#actions = actions;
  }

  get size() {
    return [...this.#entries.values()].filter(({ isGone }) => !isGone).length;
  }

  get(id) {
    const entry = this.#entries.get(id);
    return entry?.isGone ? undefined : entry?.message;
  }

  /** Shows exactly these messages. What somebody is editing stays open. */
  replaceAll(messages) {
    const ids = new Set(messages.map(({ id }) => id));
    for (const id of [...this.#entries.keys()]) if (!ids.has(id)) this.remove(id);
    for (const message of messages.toSorted(byAge)) this.set(message);
  }

  /** Adds a message or shows its new text; `isNews` makes it catch the eye. */
  set(message, isNews = false) {
    const known = this.#entries.get(message.id);
    const entry = known ?? new Entry(message.id, this.#actions, (closed) => this.#closed(closed));
    const isPlaced = known?.message.createdAt === message.createdAt;
    this.#entries.set(message.id, entry);
    entry.show(message);
    if (!isPlaced) this.#place(entry);
    if (isNews) entry.flash();
  }

  remove(id) {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (entry.isEditing) entry.markGone();
    else this.#drop(entry);
  }

  showTyping(id, count) {
    this.#entries.get(id)?.showTyping(count);
  }

  #closed(entry) {
    if (entry.isGone) this.#drop(entry);
  }

  #drop(entry) {
    const hadFocus = entry.element.contains(document.activeElement);
    const neighbour = entry.element.nextElementSibling ?? entry.element.previousElementSibling;
    this.#entries.delete(entry.message.id);
    entry.element.remove();
    // Whoever works with the keyboard goes on from here, not from the top of the page.
    if (hadFocus) (neighbour?.querySelector('button') ?? document.getElementById('messages-title')).focus();
  }

  #place({ element, message }) {
    const focused = document.activeElement;
    const others = [...this.#list.children].filter((other) => other !== element);
    const next = others.find(({ dataset }) => byAge(message, this.#entries.get(dataset.id).message) > 0);
    this.#list.insertBefore(element, next ?? null);
    if (element.contains(focused)) focused.focus();
  }
}

/** Oldest first; ids settle what has the same time. */
function byAge(a, b) {
  if (a.createdAt !== b.createdAt) return a.createdAt < b.createdAt ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

class Entry {
  element;
  message;
  /** Deleted elsewhere while it is edited here. */
  isGone = false;
  #id;
  #actions;
  #onClosed;
  #parts;
  #article;
  #form;

  constructor(id, actions, onClosed) {
    this.#id = id;
    this.#actions = actions;
    this.#onClosed = onClosed;
    const { fragment, parts } = instantiate('message-template');
    this.#parts = parts;
    this.element = fragment.firstElementChild;
    this.element.dataset.id = id;
    this.#article = this.element.firstElementChild;
    parts.edit.addEventListener('click', () => this.#edit());
    parts.delete.addEventListener('click', () => void actions.remove(this.message));
  }

  get isEditing() {
    return this.#form !== undefined;
  }

  show(message) {
    const { title, content, createdAt, updatedAt } = message;
    const isOther = this.message !== undefined && (this.message.title !== title || this.message.content !== content);
    if (this.isEditing && isOther && !this.#form.isSaving) {
      this.#form.note(`Somebody has changed this to “${title}: ${content}”. Saving replaces it.`);
    }
    if (this.isGone) this.#form?.note('');
    this.isGone = false;
    this.message = message;
    const parts = this.#parts;
    parts.title.textContent = title;
    parts.content.textContent = content;
    parts.created.textContent = TIME.format(new Date(createdAt));
    parts.created.dateTime = createdAt;
    parts.edited.textContent = updatedAt === createdAt ? '' : ' · edited';
    parts.edit.setAttribute('aria-label', `Edit “${title}”`);
    parts.delete.setAttribute('aria-label', `Delete “${title}”`);
  }

  showTyping(count) {
    this.#parts.typing.textContent = count === 0 ? '' : ' · somebody is editing…';
  }

  flash() {
    this.element.classList.remove('news');
    // Reading the layout lets the animation begin anew.
    void this.element.offsetWidth;
    this.element.classList.add('news');
  }

  /** The text that somebody is writing here is not thrown away. */
  markGone() {
    this.isGone = true;
    this.#form.note('Somebody has deleted this message. Saving brings it back.');
  }

  #edit() {
    const form = document.createElement('form');
    form.noValidate = true;
    form.className = 'form';
    form.setAttribute('aria-label', `Edit “${this.message.title}”`);
    this.#form = new MessageForm(form, {
      submitLabel: 'Save',
      onSave: async (fields) => {
        await this.#actions.save(this.#id, fields);
        this.#close();
      },
      onInput: () => this.#actions.typing(this.#id, true),
      onCancel: () => this.#close(),
    });
    this.#form.fill(this.message);
    this.#article.replaceWith(form);
    this.#form.focus();
  }

  #close() {
    this.#actions.typing(this.#id, false);
    this.#form.element.replaceWith(this.#article);
    this.#form = undefined;
    this.#parts.edit.focus();
    this.#onClosed(this);
  }
}
