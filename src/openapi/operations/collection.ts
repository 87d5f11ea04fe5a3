import { minimal, NO_BODY, type OperationMaker, present, publishParameter } from '../operation-maker.ts';
import {
  aggregateParameters,
  conditionsParameter,
  cursorParameter,
  filterParameters,
  sortParameter,
} from '../parameters.ts';
import { CODES, deletionCodes, headers } from '../responses.ts';
import { selectedName } from '../schemas/component-schemas.ts';
import { type Part, refer } from '../schemas/schemas.ts';
import { readOperation } from './reads.ts';

/** Describes `/{Export}`: list, create, publish, and changes of many records at once. */
export function collectionItem(make: OperationMaker): Part {
  const { capabilities } = make.context;
  const bulk = capabilities.bulk && make.rest;
  return present({
    get: listOperation(make),
    'x-query': make.rest && make.may('read') ? queryNote(make) : undefined,
    post: make.rest && (make.may('create') || make.may('publish')) ? postOperation(make) : undefined,
    patch: bulk && make.may('update') ? bulkMergeOperation(make) : undefined,
    delete: bulk && make.may('delete') ? bulkDeleteOperation(make) : undefined,
  });
}

function listOperation(make: OperationMaker): Part | undefined {
  const { name } = make.table;
  const { cursor, count } = make.context.capabilities;
  const conditions = [...filterParameters(make.table, make.context.capabilities), conditionsParameter(make.table)];
  const paging = [...make.shared('limit', 'offset', 'count'), ...(cursor ? [cursorParameter(make.table)] : [])];
  const names = ['ETag', 'X-Position', ...(cursor ? ['Link'] : []), ...(count ? ['X-Total-Count'] : [])];
  return readOperation(
    make,
    {
      id: 'list',
      summary: `Lists records of ${name}`,
      description: 'In primary-key order unless `sort` says otherwise. Conditions on several fields must all hold.',
      parameters: [...conditions, sortParameter(make.table), ...paging, ...aggregateParameters(make.table)],
      responses: {
        200: {
          description: 'The records; with `select` only the chosen fields of them, and with `aggregate` totals.',
          headers: headers(...names),
          content: make.media({ anyOf: [arrayOf(name), arrayOf(selectedName(make.table)), TOTALS] }, [make.example]),
        },
      },
      codes: CODES.list,
    },
    { id: 'watch', parameters: conditions, codes: [] },
  );
}

/** Describes QUERY (RFC 10008), for which OpenAPI 3.1 has no place among the methods. */
function queryNote(make: OperationMaker): Part {
  const example = { filter: String(conditionsParameter(make.table).example), limit: 10 };
  return {
    summary: `Lists records of ${make.table.name}, with the query in the body`,
    description:
      'The method `QUERY` (RFC 10008) answers as GET does. The body has the parameters of GET, as a form or as the properties of an object: for queries that are too long for an address.',
    requestBody: {
      required: true,
      content: {
        'application/json': { schema: { type: 'object' }, example },
        'application/x-www-form-urlencoded': {
          schema: { type: 'string' },
          example: `filter=${encodeURIComponent(example.filter)}&limit=10`,
        },
      },
    },
  };
}

/** Result of `aggregate`: its properties depend on the request. */
const TOTALS: Part = { type: 'array', items: { type: 'object' } };

function arrayOf(name: string): Part {
  return { type: 'array', items: refer(name) };
}

/** Describes POST, which creates records, or publishes with `publish=true`. */
function postOperation(make: OperationMaker): Part {
  const { name } = make.table;
  const [creates, publishes] = [make.may('create'), make.may('publish')];
  const one = refer(`${name}.create`);
  const many = { type: 'array', items: one, maxItems: make.context.limits.batch };
  const anything = { description: 'With `publish=true`: any JSON.' };
  const shapes = [...(creates ? [one, many] : []), ...(publishes ? [anything] : [])];
  const made = { anyOf: [refer(name), arrayOf(name)] };
  const created = {
    description: `Stored: the full record, or all of them in order. Several are stored together or not at all. ${NO_BODY}`,
    headers: headers('Location', 'ETag', 'X-Position', 'Preference-Applied'),
    content: make.media(made, make.example),
  };
  return make.operation({
    id: creates ? 'create' : 'publish',
    summary: creates ? `Creates one record of ${name}, or several` : `Publishes a message on ${name}`,
    ...(publishes ? { description: 'With `publish=true` the body is sent to the channel and not stored.' } : {}),
    parameters: [
      ...(publishes ? [publishParameter(!creates)] : []),
      ...make.shared(...(creates ? ['prefer'] : []), 'idempotencyKey'),
    ],
    body: { required: true, content: make.input({ anyOf: shapes }, creates ? 'create' : undefined) },
    responses: { ...(creates ? { 201: created } : {}), ...(publishes ? { 202: make.published() } : {}) },
    codes: creates ? CODES.create : CODES.publish,
  });
}

function bulkMergeOperation(make: OperationMaker): Part {
  const { name } = make.table;
  return make.operation({
    id: 'mergeAll',
    summary: `Changes fields of all records of ${name} that meet the conditions`,
    parameters: make.conditions(),
    body: { required: true, content: make.input(refer(`${name}.merge`), 'merge') },
    responses: { 200: make.changed(), 204: minimal('X-Position') },
    codes: CODES.bulkMerge,
  });
}

function bulkDeleteOperation(make: OperationMaker): Part {
  return make.operation({
    id: 'deleteAll',
    summary: `Removes all records of ${make.table.name} that meet the conditions`,
    parameters: make.conditions(),
    responses: { 200: make.changed(), 204: minimal('X-Position') },
    codes: deletionCodes(make.table, CODES.bulkDelete),
  });
}
