import { CardDialog } from './card.js';
import { Members } from './members.js';
import { $, button, h, run } from './page.js';
import { Stock } from './stock.js';

export const STAGES = { TODO: 'To do', DOING: 'Doing', DONE: 'Done' };
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeZone: 'UTC' });

/** The open board: live lists of its cards, members, products and lines, drawn anew after each change. */
export class Board {
  constructor({ client, people, report }, id) {
    this.client = client;
    this.tables = client.tables;
    this.people = people;
    this.id = id;
    const options = { onChange: () => this.draw(), onError: report };
    const live = (table, query) => this.tables[table].live(query, options);
    this.cards = live('Card', { boardId: id, sort: 'position' });
    this.rights = live('Member', { boardId: id });
    this.products = live('Product', { boardId: id, sort: 'name' });
    this.lines = live('Line', `card.boardId==${encodeURIComponent(id)}`);
    this.members = new Members(this);
    this.stock = new Stock(this);
    this.dialog = new CardDialog(this);
    $('board-delete').onclick = () => run(this.tables.Board.delete(id));
    $('board-leave').onclick = () => run(this.tables.Member.delete(this.ownRight().id));
    $('columns').replaceChildren(...Object.keys(STAGES).map((stage) => this.column(stage)));
  }

  get user() {
    return this.client.auth.user;
  }

  get isOwner() {
    return this.board?.ownerId === this.user?.id;
  }

  /** What the page offers; what a user may do is decided by the rules of the schema. */
  get canWrite() {
    return this.isOwner || this.ownRight()?.role === 'WRITER';
  }

  ownRight() {
    return this.rights.records.find(({ userId }) => userId === this.user?.id);
  }

  nameOf(id) {
    return this.people.get(id)?.name ?? '…';
  }

  close() {
    for (const list of [this.cards, this.rights, this.products, this.lines]) list.close();
    this.dialog.close();
  }

  draw(board = this.board) {
    if (board === undefined) return;
    this.board = board;
    $('board-title').textContent = board.name;
    const right = this.canWrite ? 'you can write' : 'you can read';
    $('board-role').textContent = this.isOwner ? 'your board' : `by ${this.nameOf(board.ownerId)}, ${right}`;
    $('board-delete').hidden = !this.isOwner;
    $('board-leave').hidden = this.ownRight() === undefined;
    for (const stage of Object.keys(STAGES)) this.drawColumn(stage);
    this.members.draw();
    this.stock.draw();
    this.dialog.draw();
  }

  column(stage) {
    const title = h('h3', { id: `stage-${stage}`, textContent: STAGES[stage] });
    const list = h('ol', { id: `cards-${stage}`, className: 'cards' });
    const input = h('input', { name: 'title', placeholder: 'New card', autocomplete: 'off' });
    input.ariaLabel = `Title of a new card in ${STAGES[stage]}`;
    const form = h('form', { className: 'add', noValidate: true }, input, h('button', { textContent: 'Add' }));
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      const created = await run(this.add(stage, input.value));
      if (created !== undefined) input.value = '';
    });
    const column = h('section', { className: 'column' }, title, list, form);
    column.dataset.stage = stage;
    column.ariaLabel = STAGES[stage];
    column.addEventListener('dragover', (event) => event.preventDefault());
    column.addEventListener('drop', (event) => {
      event.preventDefault();
      const before = event.target.closest('li.card')?.dataset.id;
      this.move(event.dataTransfer.getData('text/plain'), stage, before);
    });
    return column;
  }

  drawColumn(stage) {
    const cards = this.cardsOf(stage);
    $(`cards-${stage}`).replaceChildren(...cards.map((card) => this.cardItem(card)));
    $(`cards-${stage}`).nextElementSibling.hidden = !this.canWrite;
  }

  cardsOf(stage) {
    return this.cards.records.filter((card) => card.stage === stage);
  }

  cardItem(card) {
    const { id, title, stage, labels, assigneeId, dueAt } = card;
    const lines = this.lines.records.filter(({ cardId }) => cardId === id).length;
    const facts = [
      assigneeId && this.nameOf(assigneeId),
      dueAt && `due ${DAY.format(new Date(dueAt))}`,
      lines > 0 && `${lines} from stock`,
    ].filter(Boolean);
    const tags = (labels ?? []).map((label) => h('span', { className: 'tag', textContent: label }));
    const item = h(
      'li',
      { className: 'card', draggable: this.canWrite },
      button(title, () => this.dialog.open(id), { className: 'link' }),
      ...(tags.length > 0 ? [h('p', { className: 'tags' }, ...tags)] : []),
      ...(facts.length > 0 ? [h('p', { className: 'facts', textContent: facts.join(' · ') })] : []),
    );
    item.dataset.id = id;
    item.addEventListener('dragstart', ({ dataTransfer }) => dataTransfer.setData('text/plain', id));
    const names = Object.keys(STAGES);
    const next = names[names.indexOf(stage) + 1];
    if (next !== undefined && this.canWrite) {
      const move = button('→', () => this.move(id, next), { className: 'move' });
      move.ariaLabel = `Move “${title}” to ${STAGES[next]}`;
      item.append(move);
    }
    return item;
  }

  add(stage, title) {
    const last = this.cardsOf(stage).at(-1);
    const assignee = stage === 'DONE' ? { assigneeId: this.user.id } : {};
    const position = (last?.position ?? 0) + 1;
    return this.tables.Card.create({ boardId: this.id, title, stage, position, ...assignee });
  }

  /** Moves a card to a stage, before another card or to its end: its position becomes a number between its neighbours'. */
  move(id, stage, before) {
    const others = this.cardsOf(stage).filter((card) => card.id !== id);
    const index =
      before === undefined || before === id ? others.length : others.findIndex((card) => card.id === before);
    const low = others[index - 1]?.position ?? (others[index]?.position ?? 1) - 1;
    const high = others[index]?.position ?? low + 2;
    return run(this.tables.Card.patch(id, { stage, position: (low + high) / 2 }));
  }
}
