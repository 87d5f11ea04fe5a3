import { instantiate } from './template.js';

const MOST_FRAMES = 200;
const MOST_TEXT = 400;

/** The pane with the last frames, newest first, as they were on the wire. */
export class FrameLog {
  #list;

  constructor(list) {
    this.#list = list;
  }

  add({ direction, type, op, seq, raw }) {
    const { fragment, parts } = instantiate('frame-template');
    const item = fragment.firstElementChild;
    item.dataset.type = type;
    item.dataset.direction = direction;
    if (seq !== undefined) item.dataset.seq = seq;
    parts.arrow.textContent = direction === 'out' ? '↑' : '↓';
    parts.arrow.title = direction === 'out' ? 'sent' : 'received';
    parts.type.textContent = type;
    parts.op.textContent = op ?? '';
    parts.seq.textContent = seq === undefined ? '' : `seq ${seq}`;
    parts.data.textContent = shorten(JSON.stringify(raw));
    this.#list.prepend(fragment);
    while (this.#list.childElementCount > MOST_FRAMES) this.#list.lastElementChild.remove();
  }

  clear() {
    this.#list.replaceChildren();
  }
}

function shorten(text) {
  return text.length <= MOST_TEXT ? text : `${text.slice(0, MOST_TEXT)}…`;
}
