import { Refusal } from './channel.js';
import { instantiate } from './template.js';

let forms = 0;

/** Title and text of a message, with what the server says about each where it belongs. */
export class MessageForm {
  element;
  #parts;
  #fields;
  #onSave;
  #isSaving = false;

  /** `onSave` gets `{title, content}`; what it throws is shown. `onInput` is called while somebody writes. */
  constructor(element, { submitLabel, onSave, onInput, onCancel }) {
    this.element = element;
    this.#onSave = onSave;
    const { fragment, parts } = instantiate('form-template');
    this.#parts = parts;
    forms += 1;
    this.#fields = new Map(
      ['title', 'content'].map((name) => [name, prepareField(fragment, name, `form-${forms}-${name}`)]),
    );
    parts.submit.textContent = submitLabel;
    if (onCancel === undefined) parts.cancel.remove();
    else parts.cancel.addEventListener('click', onCancel);
    element.append(fragment);
    element.addEventListener('submit', (event) => {
      event.preventDefault();
      void this.#save();
    });
    element.addEventListener('input', () => onInput?.());
    element.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) element.requestSubmit();
      if (event.key === 'Escape') onCancel?.();
    });
  }

  get isSaving() {
    return this.#isSaving;
  }

  get isEmpty() {
    return [...this.#fields.values()].every(({ input }) => input.value === '');
  }

  fill(message) {
    for (const [name, { input }] of this.#fields) input.value = message[name];
  }

  clear() {
    for (const { input } of this.#fields.values()) input.value = '';
    this.#showProblems(undefined);
  }

  focus() {
    this.#fields.get('title').input.focus();
  }

  /** A sentence that is no mistake of the writer's. */
  note(text) {
    this.#parts.note.textContent = text;
  }

  async #save() {
    if (this.#isSaving) return;
    this.#isSaving = true;
    this.#parts.submit.setAttribute('aria-disabled', 'true');
    try {
      await this.#onSave(this.#read());
      this.#showProblems(undefined);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#showProblems(error);
    } finally {
      this.#isSaving = false;
      this.#parts.submit.removeAttribute('aria-disabled');
    }
  }

  /** An empty field is left out: the server says what is required, this page does not know it. */
  #read() {
    const filled = [...this.#fields].filter(([, { input }]) => input.value.trim() !== '');
    return Object.fromEntries(filled.map(([name, { input }]) => [name, input.value]));
  }

  #showProblems(refusal) {
    const errors = refusal?.errors ?? [];
    let first;
    for (const [name, { input, problem }] of this.#fields) {
      const found = errors.find(({ field }) => field === name);
      problem.textContent = found === undefined ? '' : `This field ${found.message}.`;
      input.setAttribute('aria-invalid', String(found !== undefined));
      if (found !== undefined) first ??= input;
    }
    const isTold = errors.length > 0 && errors.every(({ field }) => this.#fields.has(field));
    this.#parts.problem.textContent = refusal === undefined || isTold ? '' : refusal.message;
    first?.focus();
  }
}

function prepareField(fragment, name, id) {
  const input = fragment.querySelector(`[data-field="${name}"]`);
  const problem = fragment.querySelector(`[data-problem="${name}"]`);
  problem.id = `${id}-problem`;
  input.setAttribute('aria-describedby', problem.id);
  return { input, problem };
}
