import { inspect, stripVTControlCharacters } from 'node:util';

export type Style = 'bold' | 'gray' | 'cyan' | 'yellow' | 'red';
export type Paint = (style: Style, text: string) => string;

/** Whether text in this stream may have colors: where FORCE_COLOR is set, or at a terminal unless NO_COLOR is. */
export function hasColors(stream: Partial<NodeJS.WriteStream>, env: NodeJS.ProcessEnv): boolean {
  // As in Node, the second is ignored where the first is set.
  if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== '0';
  if ((env.NO_COLOR ?? '') !== '') return false;
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/** Gives text a style, or leaves it plain. */
export function paintFor(stream: Partial<NodeJS.WriteStream>, env: NodeJS.ProcessEnv): Paint {
  if (!hasColors(stream, env)) return (_, text) => text;
  return (style, text) => {
    const [open, close] = inspect.colors[style] ?? [0, 0];
    return `\u001b[${open}m${text}\u001b[${close}m`;
  };
}

/** Text without the control characters by which a terminal could be taken over. Tabs and line ends stay. */
export function withoutControls(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what has to go
  return stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\u{fffd}');
}
