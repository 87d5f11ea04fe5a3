import { StringDecoder } from 'node:string_decoder';
import { CommandError } from '../failure.ts';

/** Characters that are read. The limit for passwords is lower. */
const MAX_INPUT_CHARACTERS = 16 * 1024;
const ENTER = new Set(['\r', '\n', '\u0004']);
const ERASE = new Set(['\u007f', '\b']);
const INTERRUPT = '\u0003';

/** Asks for a new password twice at the terminal, without echo, or reads the first line of stdin. */
export async function readPassword(fromStdin: boolean): Promise<string> {
  if (fromStdin) return readLine();
  if (!process.stdin.isTTY) {
    throw new CommandError('the password cannot be asked for without a terminal; use --password-stdin');
  }
  // Echo stays off between the two questions.
  process.stdin.setRawMode(true);
  try {
    const password = await ask('Password: ');
    if ((await ask('Again: ')) === password) return password;
  } finally {
    process.stdin.setRawMode(false);
  }
  throw new CommandError('the two passwords differ; nothing was changed');
}

async function readLine(): Promise<string> {
  let text = '';
  const decoder = new StringDecoder('utf8');
  for await (const chunk of process.stdin) {
    text += decoder.write(chunk as Buffer);
    if (text.includes('\n') || text.length > MAX_INPUT_CHARACTERS) break;
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '') throw new CommandError('stdin has no password: its first line is empty');
  return line;
}

/** Reads one line from a terminal in raw mode, which has no echo. The rest of the input stays for the next question. */
async function ask(prompt: string): Promise<string> {
  const { stdin, stderr } = process;
  stderr.write(prompt);
  const decoder = new StringDecoder('utf8');
  let typed: string[] = [];
  try {
    for (;;) {
      const letters = [...decoder.write(await nextChunk())];
      for (const [index, letter] of letters.entries()) {
        if (letter === INTERRUPT) throw new CommandError('interrupted; nothing was changed');
        if (ENTER.has(letter)) {
          const rest = letters.slice(index + 1).join('');
          if (rest !== '') stdin.unshift(Buffer.from(rest));
          return typed.join('');
        }
        if (ERASE.has(letter)) typed = typed.slice(0, -1);
        else if (letter >= ' ' && typed.length < MAX_INPUT_CHARACTERS) typed.push(letter);
      }
    }
  } finally {
    stderr.write('\n');
  }
}

function nextChunk(): Promise<Buffer> {
  const { stdin } = process;
  return new Promise((resolve, reject) => {
    const finish = (): void => {
      stdin.off('data', receive).off('end', closed).pause();
    };
    const receive = (chunk: Buffer): void => {
      finish();
      resolve(chunk);
    };
    const closed = (): void => {
      finish();
      reject(new CommandError('the terminal was closed; nothing was changed'));
    };
    stdin.on('data', receive).on('end', closed).resume();
  });
}
