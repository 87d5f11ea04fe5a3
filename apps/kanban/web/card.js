import { STAGES } from './board.js';
import { $, button, clearProblems, h, run, setSubmit } from './page.js';

const FIELDS = ['title', 'note', 'stage', 'assigneeId', 'startAt', 'dueAt'];

/** The dialog of one card: its fields, and what it takes from the stock. */
export class CardDialog {
  constructor(board) {
    this.board = board;
    this.form = $('card-form');
    setSubmit(this.form, async (fields) => {
      await board.tables.Card.patch(this.id, toRecord(fields));
      this.close();
    });
    setSubmit($('line-form'), ({ productId, amount }) => this.take(productId, Number(amount)));
    $('card-close').onclick = () => this.close();
    $('card-delete').onclick = () => run(board.tables.Card.delete(this.id)).then(() => this.close());
    $('card').onclose = () => this.close();
  }

  /** Shows a card. What others change meanwhile does not overwrite what is being typed. */
  open(id) {
    const card = this.board.cards.get(id);
    if (card === undefined) return;
    this.id = id;
    const { form } = this;
    for (const other of [form, $('line-form')]) clearProblems(other);
    const stages = Object.entries(STAGES).map(([value, text]) => h('option', { value, textContent: text }));
    form.elements.stage.replaceChildren(...stages);
    const ids = [this.board.board.ownerId, ...this.board.rights.records.map(({ userId }) => userId)];
    const people = ids.map((value) => h('option', { value, textContent: this.board.nameOf(value) }));
    form.elements.assigneeId.replaceChildren(h('option', { value: '', textContent: 'not assigned' }), ...people);
    for (const name of FIELDS) form.elements[name].value = toInput(name, card[name]);
    form.elements.labels.value = (card.labels ?? []).join(', ');
    for (const element of form.elements) element.disabled = !this.board.canWrite && element.id !== 'card-close';
    this.draw();
    $('card').showModal();
  }

  close() {
    this.id = undefined;
    $('card').close();
  }

  draw() {
    if (this.id === undefined) return;
    const { board, id } = this;
    if (board.cards.get(id) === undefined) return this.close();
    const own = board.lines.records.filter(({ cardId }) => cardId === id);
    $('lines').replaceChildren(...own.map((line) => this.line(line)));
    const select = $('line-product');
    const chosen = select.value;
    const products = board.products.records;
    select.replaceChildren(
      ...products.map(({ id: value, name, stock }) => h('option', { value, textContent: `${name} (${stock})` })),
    );
    if (products.some((product) => product.id === chosen)) select.value = chosen;
    $('line-form').hidden = !board.canWrite || products.length === 0;
  }

  line({ id, productId, amount }) {
    const name = this.board.products.get(productId)?.name ?? '…';
    const item = h('li', {}, `${amount} × ${name}`);
    const giveBack = button('Give back', () =>
      run(
        this.board.client.transaction([
          { op: 'delete', table: 'Line', id },
          { op: 'patch', table: 'Product', id: productId, data: { stock: { $inc: amount } } },
        ]),
      ),
    );
    giveBack.ariaLabel = `Give back ${amount} × ${name}`;
    if (this.board.canWrite) item.append(giveBack);
    return item;
  }

  /** The line and the stock that it takes, both or neither. */
  take(productId, amount) {
    return this.board.client.transaction([
      { op: 'create', table: 'Line', data: { cardId: this.id, productId, amount } },
      { op: 'patch', table: 'Product', id: productId, data: { stock: { $inc: -amount } } },
    ]);
  }
}

function toInput(name, value) {
  if (value === null || value === undefined) return '';
  return name.endsWith('At') ? new Date(value).toISOString().slice(0, 10) : value;
}

function toRecord({ labels, assigneeId, startAt, dueAt, note, ...others }) {
  const list = labels.split(',').map((label) => label.trim());
  return {
    ...others,
    note: note || null,
    labels: list.filter((label) => label !== ''),
    assigneeId: assigneeId || null,
    startAt: startAt || null,
    dueAt: dueAt || null,
  };
}
