import { $, button, h, run, setSubmit } from './page.js';

/** Products of the open board. How much there is never falls below 0, whoever takes at the same time. */
export class Stock {
  constructor(board) {
    this.board = board;
    setSubmit($('product-form'), async ({ name, stock }) => {
      await board.tables.Product.create({ boardId: board.id, name, stock: Number(stock) });
      $('product-form').reset();
    });
  }

  draw() {
    const { board } = this;
    $('product-form').hidden = !board.isOwner;
    $('products').replaceChildren(...board.products.records.map((product) => this.item(product)));
  }

  item({ id, name, stock }) {
    const { Product } = this.board.tables;
    const item = h('li', {}, name, h('output', { className: 'stock', textContent: String(stock) }));
    item.lastChild.ariaLabel = `Stock of ${name}`;
    if (this.board.canWrite) {
      const count = (text, by, label) => {
        const one = button(text, () => run(Product.patch(id, { stock: { $inc: by } })));
        one.ariaLabel = `${label} ${name}`;
        return one;
      };
      item.append(count('−', -1, 'One less of'), count('+', 1, 'One more of'));
    }
    if (this.board.isOwner) {
      const remove = button('Delete', () => run(Product.delete(id)), { className: 'quiet danger' });
      remove.ariaLabel = `Delete ${name}`;
      item.append(remove);
    }
    return item;
  }
}
