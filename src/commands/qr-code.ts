import { renderUnicodeCompact } from 'uqr';
import { hasColors } from '../server/operations/colors.ts';
import { type BannerServer, phoneUrlOf } from './summary.ts';

/** Light modules around the code. The standard wants four; phones read it with two. */
const BORDER = 2;
/** White on black, whatever the colors of the terminal are: many phones do not read a code whose dark modules are light. */
const [OPEN, CLOSE] = ['\u001b[97;40m', '\u001b[39;49m'];
const INDENT = '  ';

/** Prints the URL of a server for the browser of a phone as a QR code, where other machines can connect. */
export function showQrCode(server: BannerServer): void {
  const url = phoneUrlOf(server);
  if (url !== undefined) process.stdout.write(describeQrCode(url, process.stdout, process.env));
}

/** Returns a QR code with the text below it, two rows of modules in a line; nothing where the terminal is too narrow. */
export function describeQrCode(text: string, output: Partial<NodeJS.WriteStream>, env: NodeJS.ProcessEnv): string {
  const lines = renderUnicodeCompact(text, { border: BORDER }).split('\n');
  const width = INDENT.length + (lines[0]?.length ?? 0);
  if (width > (output.columns || Number.POSITIVE_INFINITY)) return '';
  const [open, close] = hasColors(output, env) ? [OPEN, CLOSE] : ['', ''];
  return `${[...lines.map((line) => `${open}${line}${close}`), text].map((line) => `${INDENT}${line}\n`).join('')}\n`;
}
