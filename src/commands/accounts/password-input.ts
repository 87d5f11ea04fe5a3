import { StringDecoder } from 'node:string_decoder';
import { CommandError } from '../failure.ts';

/** No password is longer. */
const MOST_INPUT = 16 * 1024;
const ENTER = new Set(['\r', '\n', '\u0004']);
const ERASE = new Set(['\u007f', '\b']);
const INTERRUPT = '\u0003';

/** Asks for a new password at the terminal, twice and without showing it; or takes the first line of stdin. */
export async function readPassword(fromStdin: boolean): Promise<string> {
  if (fromStdin) return readLine();
  if (!process.stdin.isTTY) {
    throw new CommandError('there is no terminal to ask for the password at; give it with --password-stdin');
  }
  // What is typed before the second question must not be shown either.
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
    if (text.includes('\n') || text.length > MOST_INPUT) break;
  }
  const [line = ''] = text.split(/\r?\n/, 1);
  if (line === '') throw new CommandError('stdin has no password: its first line is empty');
  return line;
}

/** One line of a terminal in raw mode, which shows nothing. What comes after it is left for whoever asks next. */
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
        else if (letter >= ' ' && typed.length < MOST_INPUT) typed.push(letter);
      }
    }
  } finally {
    stderr.write('\n');
  }
}

function nextChunk(): Promise<Buffer> {
  const { stdin } = process;
  return new Promise((resolve, reject) => {
    const end = (): void => {
      stdin.off('data', take).off('end', gone).pause();
    };
    const take = (chunk: Buffer): void => {
      end();
      resolve(chunk);
    };
    const gone = (): void => {
      end();
      reject(new CommandError('the terminal is gone; nothing was changed'));
    };
    stdin.on('data', take).on('end', gone).resume();
  });
}
