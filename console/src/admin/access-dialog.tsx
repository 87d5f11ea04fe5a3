import type { JSX } from 'preact';
import { Dialog } from '../parts/dialog.tsx';
import type { TableController } from '../table/controller.ts';
import { AccessTrace } from './access-trace.tsx';

interface Props {
  readonly table: TableController;
  close(): void;
}

/** What a caller may do with a table. */
export function AccessDialog({ table, close }: Props): JSX.Element {
  return (
    <Dialog title={`Who may do what with ${table.table.name}`} wide close={close}>
      <div class="dialog-body">
        <AccessTrace table={table} id={undefined} />
      </div>
    </Dialog>
  );
}
