import { $, button, h, run, setSubmit } from './page.js';

const ROLES = { READER: 'reads', WRITER: 'writes' };

/** Members of the open board, whom its owner manages. */
export class Members {
  constructor(board) {
    this.board = board;
    setSubmit($('member-form'), async ({ name, role }) => {
      const person = board.people.records.find((one) => one.name === name.trim());
      if (person === undefined) throw new Error('There is no user of this name.');
      await board.tables.Member.create({ boardId: board.id, userId: person.id, role });
      $('member-form').reset();
    });
  }

  draw() {
    const { board } = this;
    const names = board.people.records.filter(({ id }) => id !== board.user?.id).map(({ name }) => name);
    $('people').replaceChildren(...names.map((value) => h('option', { value })));
    $('member-form').hidden = !board.isOwner;
    const owner = h('li', {}, board.nameOf(board.board.ownerId), h('span', { className: 'tag', textContent: 'owner' }));
    $('members').replaceChildren(owner, ...board.rights.records.map((member) => this.item(member)));
  }

  item({ id, userId, role }) {
    const { Member } = this.board.tables;
    const name = this.board.nameOf(userId);
    const item = h('li', {}, name, h('span', { className: 'tag', textContent: ROLES[role] }));
    if (this.board.isOwner) {
      const other = role === 'READER' ? 'WRITER' : 'READER';
      const change = button(role === 'READER' ? 'Let write' : 'Only read', () =>
        run(Member.patch(id, { role: other })),
      );
      const remove = button('Remove', () => run(Member.delete(id)), { className: 'quiet danger' });
      remove.ariaLabel = `Remove ${name}`;
      item.append(change, remove);
    }
    return item;
  }
}
