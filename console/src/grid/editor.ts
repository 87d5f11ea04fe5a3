import type { Field } from '../state/schema.ts';

interface Editing {
  readonly field: Field;
  /** Text that the input begins with. */
  readonly text: string;
  readonly label: string;
  /** Called once; undefined when the edit was given up. */
  done(text: string | undefined, move: 'stay' | 'down' | 'right' | 'left'): void;
}

type Input = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;

/** Makes the input of a cell. Enter and Tab take what was typed, so does leaving it; Escape does not. */
export function makeEditor({ field, text, label, done }: Editing): Input {
  const input = makeInput(field, text);
  input.className = 'cell-editor';
  input.setAttribute('aria-label', label);
  let isDone = false;
  const finish = (value: string | undefined, move: 'stay' | 'down' | 'right' | 'left') => {
    if (isDone) return;
    isDone = true;
    input.remove();
    done(value, move);
  };
  input.addEventListener('keydown', (event) => {
    const { key, shiftKey, ctrlKey, metaKey } = event as KeyboardEvent;
    event.stopPropagation();
    if (key === 'Escape') finish(undefined, 'stay');
    else if (key === 'Enter' && !(shiftKey && input instanceof HTMLTextAreaElement)) finish(input.value, 'down');
    else if (key === 'Tab') finish(input.value, shiftKey ? 'left' : 'right');
    else if (key.toLowerCase() === 's' && (ctrlKey || metaKey)) {
      finish(input.value, 'stay');
      return;
    } else return;
    event.preventDefault();
  });
  input.addEventListener('blur', () => finish(input.value, 'stay'));
  return input;
}

function makeInput(field: Field, text: string): Input {
  const options = field.kind === 'boolean' ? ['true', 'false'] : field.values;
  if (options !== undefined) {
    const select = document.createElement('select');
    for (const option of field.required ? options : ['', ...options]) {
      const element = document.createElement('option');
      element.value = option;
      element.textContent = option === '' ? 'null' : option;
      select.append(element);
    }
    select.value = text;
    return select;
  }
  if (text.includes('\n') || text.length > 60) {
    const area = document.createElement('textarea');
    area.rows = 5;
    area.value = text;
    return area;
  }
  const input = document.createElement('input');
  input.type = 'text';
  input.autocomplete = 'off';
  input.spellcheck = false;
  if (field.kind === 'number') input.inputMode = 'decimal';
  input.value = text;
  return input;
}
