// What all parts of the page share: elements, and errors shown where the server says they are.

export const $ = (id) => document.getElementById(id);

/** An element with properties and children; strings become text. */
export function h(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function button(text, onclick, properties = {}) {
  return h('button', { type: 'button', className: 'quiet', textContent: text, onclick, ...properties });
}

/** Calls `send` with the fields of a form, and shows at each field what the server found wrong with it. */
export function setSubmit(form, send) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form));
    try {
      await send(fields, event.submitter?.value);
      clearProblems(form);
    } catch (error) {
      showProblems(form, error);
    }
  };
}

export function clearProblems(form) {
  for (const problem of form.querySelectorAll('[data-problem]')) problem.textContent = '';
}

function showProblems(form, error) {
  clearProblems(form);
  const others = form.querySelector('[data-problem=""]');
  const found = error.errors?.length ? error.errors : [{ field: '', message: error.message }];
  for (const { field, message } of found) {
    // "labels[1]" and "steps[1].stock" belong to the field they begin or end with.
    const name = field.replace(/^steps\[\d+\]\./, '').split(/[.[]/)[0];
    const place = name === '' ? null : form.querySelector(`[data-problem="${name}"]`);
    if (place !== null) place.textContent = message;
    else (others ?? form.querySelector('[data-problem]')).textContent = name === '' ? message : `${name}: ${message}`;
  }
}

let timer;

/** Runs a request outside of a form; its error is shown for a while. */
export async function run(request) {
  try {
    return await request;
  } catch (error) {
    notify(error.message);
  }
}

export function notify(message) {
  const notice = $('notice');
  notice.textContent = message;
  notice.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => {
    notice.hidden = true;
  }, 6000);
}
