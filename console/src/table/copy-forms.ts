import { SERVER_URL } from '../state/address.ts';
import { urlOf } from '../state/http.ts';

/** A query of a table. */
export interface Asked {
  readonly app: string;
  readonly table: string;
  readonly search: string;
  /** Whether callers show who they are. */
  readonly hasAuth: boolean;
}

type Form = readonly [label: string, write: (asked: Asked) => string];

const json = (value: unknown) => JSON.stringify(value);
const shellQuoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;

function addressOf({ app, table, search }: Asked): string {
  const url = urlOf(app, encodeURIComponent(table));
  return search === '' ? url : `${url}?${search}`;
}

/** Header of a shell command; the token is in a variable, so that it is in no history. */
const shellToken = ({ hasAuth }: Asked) => (hasAuth ? ' -H "authorization: Bearer $TOKEN"' : '');

function fetchOf(asked: Asked): string {
  const options = asked.hasAuth ? ", { headers: { authorization: 'Bearer ' + token } }" : '';
  return `const response = await fetch(${json(addressOf(asked))}${options});\nconst records = await response.json();`;
}

function clientOf({ app, table, search, hasAuth }: Asked): string {
  const module = new URL(`${encodeURIComponent(app)}/_/client.js`, SERVER_URL).href;
  const options = hasAuth ? ', { token: () => token }' : '';
  return [
    `import { connect } from ${json(module)};`,
    '',
    `const { tables } = connect(${json(urlOf(app, ''))}${options});`,
    `tables[${json(table)}].live(${json(search)}, { onChange: (records) => console.log(records) });`,
  ].join('\n');
}

function eventSourceOf(asked: Asked): string {
  const url = addressOf({ ...asked, search: asked.search === '' ? 'retained=true' : `${asked.search}&retained=true` });
  const ticketUrl = json(urlOf(asked.app, '_/auth/ticket'));
  const ticket = [
    `const response = await fetch(${ticketUrl}, { method: 'POST', headers: { authorization: 'Bearer ' + token } });`,
    'const { ticket } = await response.json();',
    `const source = new EventSource(${json(`${url}&ticket=`)} + ticket);`,
  ];
  return [
    ...(asked.hasAuth ? ticket : [`const source = new EventSource(${json(url)});`]),
    "for (const name of ['retained', 'update', 'delete']) {",
    '  source.addEventListener(name, ({ data }) => console.log(name, JSON.parse(data)));',
    '}',
  ].join('\n');
}

export const FORMS: readonly Form[] = [
  ['curl', (asked) => `curl -g ${shellQuoted(addressOf(asked))}${shellToken(asked)}`],
  [
    'curl, live',
    (asked) => `curl -gN -H 'accept: text/event-stream' ${shellQuoted(addressOf(asked))}${shellToken(asked)}`,
  ],
  ['fetch', fetchOf],
  ['client', clientOf],
  ['EventSource', eventSourceOf],
  ['address of the list', addressOf],
];
