import { minimal, NO_BODY, type OperationMaker, present, publishParameter } from '../operation-maker.ts';
import { CODES, deletionCodes, deletionNote, headers } from '../responses.ts';
import { selectedName } from '../schemas/component-schemas.ts';
import { type Part, refer } from '../schemas/schemas.ts';
import { readOperation } from './reads.ts';

/** Describes `/{Export}/{id}`: read, create or replace, merge, delete, publish. */
export function recordItem(make: OperationMaker): Part {
  const writes = make.may('create') || make.may('update');
  return present({
    get: getOperation(make),
    put: make.rest && writes ? replaceOperation(make) : undefined,
    patch: make.rest && make.may('update') ? mergeOperation(make) : undefined,
    delete: make.rest && make.may('delete') ? deleteOperation(make) : undefined,
    post: make.rest && make.may('publish') ? publishOperation(make) : undefined,
  });
}

function getOperation(make: OperationMaker): Part | undefined {
  const { name } = make.table;
  return readOperation(
    make,
    {
      id: 'get',
      summary: `Reads a record of ${name}`,
      parameters: make.shared('ifMatch'),
      responses: {
        200: {
          description: 'The record; with `select` only the chosen fields of it.',
          headers: headers('ETag', 'X-Position'),
          content: make.media({ anyOf: [refer(name), refer(selectedName(make.table))] }, make.example),
        },
      },
      codes: CODES.get,
    },
    { id: 'watchOne', codes: ['INVALID_ID'] },
  );
}

function replaceOperation(make: OperationMaker): Part {
  const { name } = make.table;
  const [creates, updates] = [make.may('create'), make.may('update')];
  const condition = creates ? '`If-None-Match: *`' : '`If-Match`';
  return make.operation({
    id: 'replace',
    summary: `Creates or replaces a record of ${name}`,
    description: `A field that is not sent is null or its default.${creates && updates ? '' : ` Only with ${condition}.`}`,
    parameters: make.shared('ifMatch', 'ifNone', 'prefer', 'idempotencyKey'),
    body: { required: true, content: make.input(refer(`${name}.replace`), 'replace') },
    responses: {
      200: { ...make.written(), description: 'Replaced: the full record.' },
      201: {
        ...make.written(),
        description: `Created: the full record. ${NO_BODY}`,
        headers: headers('Location', 'ETag', 'X-Position', 'Preference-Applied'),
      },
      204: minimal('ETag', 'X-Position'),
    },
    codes: CODES.replace,
  });
}

function mergeOperation(make: OperationMaker): Part {
  const { name } = make.table;
  return make.operation({
    id: 'merge',
    summary: `Changes fields of a record of ${name}`,
    parameters: make.shared('ifMatch', 'prefer', 'idempotencyKey'),
    body: { required: true, content: make.input(refer(`${name}.merge`), 'merge') },
    responses: {
      200: { ...make.written(), description: 'The full record after the merge.' },
      204: minimal('ETag', 'X-Position'),
    },
    codes: CODES.merge,
  });
}

function deleteOperation(make: OperationMaker): Part {
  return make.operation({
    id: 'delete',
    summary: `Removes a record of ${make.table.name}`,
    ...deletionNote(make.table),
    parameters: make.shared('ifMatch', 'idempotencyKey'),
    responses: { 204: { description: 'Removed.', headers: headers('X-Position') } },
    codes: deletionCodes(make.table, CODES.delete),
  });
}

function publishOperation(make: OperationMaker): Part {
  return make.operation({
    id: 'publishTo',
    summary: `Publishes a message on a record of ${make.table.name}`,
    description: 'Sent to the channels of the record and of the table, and not stored.',
    parameters: [publishParameter(true), ...make.shared('idempotencyKey')],
    body: { required: true, content: make.accepted({ description: 'Any JSON.' }, false) },
    responses: { 202: make.published() },
    codes: CODES.publishToRecord,
  });
}
