import type { JSX } from 'preact';
import { copyText } from '../parts/copy.ts';
import { Menu, MenuItem } from '../parts/menu.tsx';
import { entryOf } from '../state/session.ts';
import type { TableController } from './controller.ts';
import { type Asked, FORMS } from './copy-forms.ts';

interface Props {
  readonly table: TableController;
  readonly anchor: HTMLElement;
  close(): void;
}

/** The query as a program would ask it: what the console shows, every client can ask. */
export function CopyAsMenu({ table, anchor, close }: Props): JSX.Element {
  const { app, query } = table;
  const hasAuth = entryOf(app)?.auth !== 'none';
  const asked: Asked = { app, table: table.table.name, search: query.search, hasAuth };
  return (
    <Menu anchor={anchor} label="Copy as" close={close}>
      <p class="menu-title">Copy this query as</p>
      {FORMS.map(([label, write]) => (
        <MenuItem
          key={label}
          run={() => {
            close();
            void copyText(write(asked), label);
          }}
        >
          {label}
        </MenuItem>
      ))}
    </Menu>
  );
}
