/** Characters that end a parameter: those between the parts of a room's name. */
const SEPARATORS = ':/';

/** Pattern of names of rooms: `board:{id}`. A parameter has one or more characters other than `:` and `/`. */
export interface RoomPattern {
  readonly text: string;
  readonly parameters: readonly string[];
  /** Returns the parameters of a name; undefined for a name that does not fit. */
  match(name: string): Readonly<Record<string, string>> | undefined;
}

/** Makes a pattern, or returns what is wrong with its text. */
export function makePattern(text: string): RoomPattern | { readonly problem: string } {
  const parameters: string[] = [];
  let source = '';
  for (const part of text.split(/([:/])/)) {
    const pieces = /^([^{}]*)(?:\{([A-Za-z_]\w{0,63})\}([^{}]*))?$/.exec(part);
    if (pieces === null) {
      return { problem: 'has one {name} at most between two of ":" and "/", such as board:{id}' };
    }
    const [, before = '', parameter, after = ''] = pieces;
    source += escapeText(before);
    if (parameter === undefined) continue;
    if (parameters.includes(parameter)) return { problem: `has {${parameter}} twice` };
    parameters.push(parameter);
    // A single parameter between two separators: a name is read in one way, without backtracking over another parameter.
    source += `([^${SEPARATORS}]+)${escapeText(after)}`;
  }
  const expression = new RegExp(`^${source}$`, 'su');
  return {
    text,
    parameters,
    match: (name) => {
      const found = expression.exec(name);
      if (found === null) return undefined;
      return Object.fromEntries(parameters.map((parameter, index) => [parameter, found[index + 1] as string]));
    },
  };
}

function escapeText(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, (character) => (character === '-' ? '\\x2d' : `\\${character}`));
}
