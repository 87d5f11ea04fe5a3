import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../errors.ts';
import { AGGREGATE_PARAMETERS } from '../../query/aggregate/aggregate.ts';
import { LIST_PARAMETERS } from '../../query/list-query.ts';
import { parseJson } from '../../resources/body/json.ts';
import { isObject } from '../../resources/body/values.ts';
import { checkCoding } from '../../server/body.ts';
import { MEDIA_TYPES } from '../../server/content/formats.ts';
import { queryOf } from '../../server/request.ts';
import type { ResponseBody } from './response.ts';
import { TABLE_ROUTES } from './route-options.ts';

/** Query of a list, wherever the request has it. */
export interface AskedQuery {
  /** As in a query string, percent-encoded. */
  readonly rawQuery: string;
  /** Of a QUERY, the part in its address: the next page is asked for there with the same body. */
  readonly address?: string | undefined;
}

/**
 * Registers the method QUERY (RFC 10008), which lists as GET does, with the query in the body. Its content types are its
 * own: no other method takes forms.
 */
export function registerQuery(
  app: FastifyInstance,
  { urls, bodyLimit }: { readonly urls: readonly string[]; readonly bodyLimit: number },
  handler: (request: FastifyRequest, reply: FastifyReply) => ResponseBody,
): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(FORM, { parseAs: 'string' }, (request, body, done) => {
      try {
        checkCoding(request);
        done(null, body);
      } catch (error) {
        done(error as Error);
      }
    });
    scope.addContentTypeParser([...MEDIA_TYPES.json.names], { parseAs: 'buffer' }, (request, body, done) => {
      try {
        checkCoding(request);
        done(null, toQueryString(parseJson(body as Buffer)));
      } catch (error) {
        done(error as Error);
      }
    });
    for (const url of urls) scope.route({ ...TABLE_ROUTES.query, method: 'QUERY', url, bodyLimit, handler });
  });
}

const FORM = 'application/x-www-form-urlencoded';

/** Returns the query of a QUERY: that of its address and that of its body. */
export function readQueryBody(request: FastifyRequest): AskedQuery {
  const { body } = request;
  const address = queryOf(request);
  const text = typeof body === 'string' ? body : '';
  const own = PAGE.test(address) ? withoutPage(text) : text;
  return { address, rawQuery: [address, own].filter((part) => part !== '').join('&') };
}

/** The address of a further page, whose cursor replaces what the body says of pages. */
const PAGE = /(?:^|&)cursor=/;

function withoutPage(text: string): string {
  const parts = text.split('&');
  return parts.filter((part) => !/^(?:cursor|offset)=/.test(part)).join('&');
}

const PARAMETERS: ReadonlySet<string> = new Set([...LIST_PARAMETERS, ...AGGREGATE_PARAMETERS]);

/** Writes parameters that came as the members of a JSON object, as a query string has them. Throws INVALID_QUERY. */
function toQueryString(value: unknown): string {
  if (!isObject(value)) throw new AppError('INVALID_QUERY', 'The query is an object with the parameters of a list.');
  return Object.entries(value)
    .map(([name, member]) => {
      if (!PARAMETERS.has(name)) throw unknownMember(name);
      return `${name}=${encodeURIComponent(toText(name, member))}`;
    })
    .join('&');
}

function unknownMember(name: string): AppError {
  const shown = JSON.stringify(name.slice(0, 100));
  return new AppError(
    'INVALID_QUERY',
    `The query has no property ${shown}; it has ${[...PARAMETERS].join(', ')}. Conditions are in filter, as "price=lt=10".`,
  );
}

/** Parameters whose value is a list of names, which may be an array. */
const LISTS: ReadonlySet<string> = new Set(['sort', 'select', 'aggregate', 'group']);

function toText(name: string, member: unknown): string {
  if (typeof member === 'string' || typeof member === 'number' || typeof member === 'boolean') return String(member);
  const isList = LISTS.has(name);
  if (isList && Array.isArray(member) && member.every((item) => typeof item === 'string')) return member.join(',');
  throw new AppError(
    'INVALID_QUERY',
    `${name} must be ${isList ? 'a string or an array of strings' : 'a string, a number, true or false'}.`,
  );
}
