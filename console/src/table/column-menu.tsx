import type { JSX } from 'preact';
import { typeLabel } from '../grid/header.ts';
import { withSort } from '../grid/query.ts';
import { Menu, MenuItem } from '../parts/menu.tsx';
import { go, paths } from '../state/address.ts';
import type { TableController } from './controller.ts';

/** What can be done with a column. */
export function ColumnMenu({ table }: { readonly table: TableController }): JSX.Element | null {
  const open = table.menu.value;
  if (open === undefined) return null;
  const { name, anchor } = open;
  const column = table.view.columns.find((it) => it.name === name);
  if (column === undefined) return null;
  const close = () => {
    table.menu.value = undefined;
  };
  const run = (action: () => void) => () => {
    close();
    action();
  };
  const layout = table.layout.value;
  const names = table.view.columns.map((it) => it.name);
  const at = names.indexOf(name);
  const move = (by: number) =>
    table.setLayout({ ...layout, order: names.with(at, names[at + by] as string).with(at + by, name) });
  const sort = (order: string) => go(paths.table(table.app, table.table.name, withSort(table.query.search, order)));
  const canSort = !column.field?.list && column.field?.kind !== 'json' && column.field?.kind !== 'object';
  const isOwn = table.query.selected === undefined;
  return (
    <Menu anchor={anchor} label={`Column ${name}`} close={close}>
      <p class="menu-title">
        <strong>{name}</strong> <small>{typeLabel(column)}</small>
      </p>
      {column.field?.description && <p class="menu-text">{column.field.description}</p>}
      <MenuItem disabled={!canSort} run={run(() => sort(name))}>
        Sort ascending
      </MenuItem>
      <MenuItem disabled={!canSort} run={run(() => sort(`-${name}`))}>
        Sort descending
      </MenuItem>
      <MenuItem disabled={at <= 0 || !isOwn} run={run(() => move(-1))}>
        Move left
      </MenuItem>
      <MenuItem disabled={at >= names.length - 1 || !isOwn} run={run(() => move(1))}>
        Move right
      </MenuItem>
      <MenuItem
        disabled={column.isKey || !isOwn}
        run={run(() => table.setLayout({ ...layout, hidden: [...(layout.hidden ?? []), name] }))}
      >
        Hide
      </MenuItem>
    </Menu>
  );
}

/** Which columns are shown. */
export function ColumnsMenu({
  table,
  anchor,
  close,
}: Readonly<{ table: TableController; anchor: HTMLElement; close(): void }>) {
  const layout = table.layout.value;
  const hidden = layout.hidden ?? [];
  const toggle = (name: string) =>
    table.setLayout({
      ...layout,
      hidden: hidden.includes(name) ? hidden.filter((it) => it !== name) : [...hidden, name],
    });
  return (
    <Menu anchor={anchor} label="Columns" close={close}>
      {table.query.selected !== undefined && <p class="menu-text">The query selects the columns.</p>}
      {table.table.fields
        .filter((field) => !field.hidden)
        .map(({ name }) => (
          <MenuItem
            key={name}
            checked={!hidden.includes(name)}
            disabled={name === table.table.key || table.query.selected !== undefined}
            run={() => toggle(name)}
          >
            {name}
          </MenuItem>
        ))}
      <MenuItem run={() => table.setLayout({})}>All columns, as in the schema</MenuItem>
    </Menu>
  );
}
