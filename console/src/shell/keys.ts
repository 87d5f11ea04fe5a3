import { draftsOf, hasDrafts } from '../edits/drafts.ts';
import { redo, undo } from '../edits/undo.ts';
import { go, paths, place } from '../state/address.ts';
import { canWrite } from '../state/view.ts';
import { saveTable } from '../table/pending-bar.tsx';
import { currentTable } from '../table/table-screen.tsx';
import { isHelpOpen, isPaletteOpen } from './open.ts';

const SCREENS: Readonly<Record<string, string>> = { c: 'channels', l: 'changes', f: 'flows' };
const CHORD_MS = 1_000;

let chordAt = 0;

/** Keys of the whole page. */
export function listenForKeys(): void {
  addEventListener('keydown', (event) => {
    if (event.defaultPrevented) return;
    const isCommand = event.ctrlKey || event.metaKey;
    if (isCommand ? handleCommand(event) : handleLetter(event)) event.preventDefault();
  });
  addEventListener('beforeunload', (event) => {
    if (hasDrafts()) event.preventDefault();
  });
}

function isTyping(target: EventTarget | null): boolean {
  const element = target as HTMLElement | null;
  return (
    element?.closest?.('input, textarea, select, [contenteditable], dialog') !== null || element.shadowRoot !== null
  );
}

function handleCommand(event: KeyboardEvent): boolean {
  const key = event.key.toLowerCase();
  if (key === 'k' && !event.shiftKey) {
    isPaletteOpen.value = true;
    return true;
  }
  if (key === 's') {
    const { app, table } = place.value;
    if (canWrite.value && app !== undefined && table !== undefined && draftsOf(app, table).peek().size > 0)
      void saveTable(app, table);
    return true;
  }
  if (isTyping(event.target)) return false;
  if (!canWrite.value) return false;
  if (key === 'z') void (event.shiftKey ? redo() : undo());
  else if (key === 'y') void redo();
  else return false;
  return true;
}

function handleLetter(event: KeyboardEvent): boolean {
  if (event.altKey || isTyping(event.target) || document.querySelector('dialog[open]') !== null) return false;
  const { key } = event;
  const { app } = place.value;
  const table = currentTable.value;
  if (Date.now() - chordAt < CHORD_MS && app !== undefined) {
    chordAt = 0;
    if (key === 't') go(paths.app(app));
    else if (SCREENS[key] !== undefined) go(paths.screen(app, SCREENS[key]));
    else return false;
    return true;
  }
  if (key === 'g') chordAt = Date.now();
  else if (key === '?') isHelpOpen.value = true;
  else if (key === '/') document.querySelector<HTMLElement>('#query')?.focus();
  else if (table === undefined) return false;
  else if (key === 'l' || key === 'L') table.togglePause();
  else if ((key === 'n' || key === 'N') && canWrite.value) table.isCreating.value = true;
  else return false;
  return true;
}
