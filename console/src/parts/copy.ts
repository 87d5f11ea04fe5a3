import { say } from '../state/messages.ts';

/** Puts a text on the clipboard; without the right to it, by a selection. */
export async function copyText(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = document.createElement('textarea');
    area.value = text;
    area.className = 'off-screen';
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
  }
  say(`${what} ${what.endsWith('rows') ? 'are' : 'is'} on the clipboard.`);
}
