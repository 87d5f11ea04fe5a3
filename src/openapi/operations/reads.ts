import type { Description, OperationMaker } from '../operation-maker.ts';
import { parameters, selectParameter } from '../parameters.ts';
import { CODES, headers } from '../responses.ts';
import type { Part } from '../schemas/schemas.ts';

const EVENTS = [
  'The stream begins with `{"type":"connected","status":"ok"}`. The events are `update`, `delete`, `publish` and `retained`, with',
  'the record as `data:` and `seq` as `id:`, `ready`, `reset` when `since` is no longer in the log, and `ping`.',
].join(' ');

const EVENT_STREAM = { 'text/event-stream': { schema: { type: 'string', description: EVENTS } } };

const LIVE =
  'With `Accept: text/event-stream` the same address streams every change; `openapi.json?media=all` describes it.';

/** Operation of a stream without a read on the same address. */
export type Watch = Pick<Description, 'id' | 'parameters' | 'codes'>;

/** Describes a read, the stream on the same address, or both. */
export function readOperation(make: OperationMaker, read: Description, watch: Watch): Part | undefined {
  const streams = make.table.transports.has('sse') && make.may('subscribe');
  if (make.rest && make.may('read')) return plainRead(make, read, streams);
  return streams ? streamOnly(make, watch) : undefined;
}

function plainRead(make: OperationMaker, read: Description, isLive: boolean): Part {
  // Code generators would type every response that can be a stream as a string.
  const streams = isLive && make.context.streams;
  const notes = [read.description, isLive && !streams ? LIVE : undefined].filter((note) => note !== undefined);
  const answer = { ...(read.responses as Readonly<Record<string, Part>>)[200] };
  const content = { ...(answer.content as Part), ...(streams ? EVENT_STREAM : {}) };
  const own = [...(read.parameters ?? []), selectParameter(make.table), ...parameters('ifNoneMatch')];
  return make.operation({
    ...read,
    ...(notes.length === 0 ? {} : { description: notes.join('\n\n') }),
    parameters: [...own, ...(streams ? streamParameters(make) : [])],
    responses: {
      200: { ...answer, content },
      304: {
        description: 'It has not changed: its `ETag` is the one in `If-None-Match`.',
        headers: headers('ETag', 'X-Position'),
      },
    },
    codes: [...read.codes, ...(streams ? CODES.stream : [])],
  });
}

function streamOnly(make: OperationMaker, { id, parameters: own = [], codes }: Watch): Part {
  return make.operation({
    id,
    summary: `Streams changes of ${make.table.name}`,
    parameters: [...own, selectParameter(make.table), ...streamParameters(make)],
    responses: { 200: { description: 'Server-Sent Events.', content: EVENT_STREAM } },
    codes: [...CODES.stream, ...codes],
  });
}

function streamParameters(make: OperationMaker): readonly Part[] {
  return make.shared('stream', 'since', 'retained', 'delta', 'lastEventId');
}
