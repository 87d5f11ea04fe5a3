import type { JSX } from 'preact';
import { Dialog } from '../parts/dialog.tsx';
import { isHelpOpen } from './open.ts';

const GROUPS: readonly (readonly [title: string, keys: readonly (readonly [keys: string, what: string])[]])[] = [
  [
    'Everywhere',
    [
      ['Ctrl K', 'Commands'],
      ['Ctrl S', 'Save what waits'],
      ['Ctrl Z, Ctrl Y', 'Undo, redo what was saved'],
      ['/', 'To the query'],
      ['N', 'New record'],
      ['L', 'Live on or off'],
      ['g t, g c, g l, g f', 'Overview, channels, changes, flows'],
      ['?', 'This list'],
    ],
  ],
  [
    'Grid',
    [
      ['Arrows, Home, End, Page', 'Move; with Ctrl to the ends'],
      ['Enter, F2, typing', 'Edit the cell'],
      ['Esc', 'Leave it as it was'],
      ['Ctrl Backspace', 'Set to null'],
      ['Space', 'Open the record'],
      ['Shift Space, Shift Arrows', 'Select rows'],
      ['Ctrl A, Ctrl C', 'Select what is loaded, copy'],
      ['Ctrl V', 'Paste cells of a spreadsheet'],
      ['Delete', 'Delete the selected rows'],
      ['Up from the first row', 'To the header; Enter sorts, Alt Down is its menu'],
    ],
  ],
];

/** The keys of the console. */
export function Help(): JSX.Element | null {
  if (!isHelpOpen.value) return null;
  return (
    <Dialog title="Keyboard" wide close={() => (isHelpOpen.value = false)}>
      <div class="dialog-body help-body">
        {GROUPS.map(([title, keys]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl class="keys-list">
              {keys.map(([key, what]) => (
                <div key={key}>
                  <dt>
                    <kbd>{key}</kbd>
                  </dt>
                  <dd>{what}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
        <p class="soft">Single letters work where no cell and no input has the focus.</p>
      </div>
    </Dialog>
  );
}
