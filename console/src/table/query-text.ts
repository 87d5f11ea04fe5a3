// The query in the address, and the query as a person reads it. Only what changes no meaning is decoded: a bracket, `|` or `%`
// of a value stays encoded.

const READABLE = /%(?:20|22|27|3C|3E|[89A-F][0-9A-F])/gi;

/** Query as the bar shows it. */
export function toText(search: string): string {
  return search
    .replace(/(?:%[89A-F][0-9A-F])+/gi, decode)
    .replace(READABLE, (code) => (/^%[89A-F]/i.test(code) ? code : decode(code)));
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Query as it stands in an address. */
export function fromText(text: string): string {
  return text
    .trim()
    .replace(/^\?/, '')
    .replace(/[\s"'<>#\p{Cc}\u{80}-\u{10ffff}]+/gu, (part) =>
      encodeURIComponent(part.replace(/[\t\n\r]/g, ' ')).replaceAll("'", '%27'),
    );
}

export interface Mark {
  /** Place in the text of the bar, from 0. */
  readonly at: number;
  readonly message: string;
}

/** Where the server's sentence about a query belongs: `column 7: …` counts from 1 in the query as it was sent. */
export function markOf(search: string, field: string | undefined, message: string): Mark {
  const match = /\bcolumn (\d+)/.exec(message);
  if (match === null) return { at: 0, message };
  const parameter = new RegExp(`(?:^|&)${field}=`).exec(search);
  const isInside =
    parameter !== null && ['filter', 'sort', 'select', 'having', 'aggregate', 'group'].includes(field ?? '');
  const begin = isInside ? parameter.index + parameter[0].length : 0;
  const text = isInside ? decode(search.slice(begin)) : search;
  const prefix = text.slice(0, Number(match[1]) - 1);
  return { at: toText(search.slice(0, begin)).length + toText(prefix).length, message };
}
