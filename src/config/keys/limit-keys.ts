import type { Limits } from '../config.ts';
import type { Keys } from './keys.ts';
import { booleanKey, countKey, durationKey, sizeKey } from './values.ts';

/** Keys below `limits`. */
export const LIMIT_KEYS: Keys<Limits> = {
  body: sizeKey('1MiB', { what: 'Body of a request' }),
  jsonDepth: countKey(64, { what: 'Nesting of a JSON value' }, { max: 1000 }),
  jsonKeys: countKey(1000, { what: 'Keys of one JSON object' }),
  batch: countKey(1000, { what: 'Records in one request' }),
  bulk: countKey(10_000, { what: 'Records that one request by filter changes' }, { max: 1_000_000 }),
  cascade: countKey(
    10_000,
    { what: 'Records that one request deletes or changes because the record that they refer to is deleted' },
    { max: 1_000_000 },
  ),
  transaction: countKey(1000, { what: 'Steps of one transaction' }, { max: 100_000 }),
  url: sizeKey('8KiB', { what: 'Length of a URL' }),
  query: sizeKey('64KiB', { what: 'Body of a QUERY' }),
  headers: sizeKey('16KiB', { what: 'All header fields of a request' }),
  headerCount: countKey(100, { what: 'Number of header fields' }),
  headersTimeout: durationKey('10s', { what: 'Time to send the header fields' }),
  requestTimeout: durationKey('30s', { what: 'Time to send a whole request' }),
  keepAlive: durationKey('72s', { what: 'How long an idle HTTP connection is kept' }),
  lingerSize: sizeKey('64MiB', { what: 'Bytes of a request that are read and discarded after an early response' }),
  lingerTime: durationKey('30s', { what: 'How long the rest of a request is discarded after an early response' }),
  lingerConnections: countKey(1000, {
    what: 'Connections that discard the rest of a request after an early response; beyond it the oldest is closed',
  }),
  pageDefault: countKey(100, { what: 'Records of a list when the request names no limit' }),
  pageMax: countKey(1000, { what: 'Maximum number of records of a list' }),
  window: countKey(
    2000,
    { what: 'Records from the first of a sorted list to the last of a live window: `offset` and `limit` together' },
    { max: 100_000 },
  ),
  groups: countKey(1000, { what: 'Groups of one `aggregate`' }, { max: 10_000 }),
  heldGroups: countKey(
    100_000,
    {
      what: 'Groups that the live totals of all subscriptions of an application hold together; equal ones are held once',
    },
    { max: 10_000_000 },
  ),
  related: countKey(
    1000,
    {
      what: 'Related records that one key leads to in a live rule, condition or selection; of more, only those that match are read',
    },
    { max: 100_000 },
  ),
  relatedAffected: countKey(1000, {
    what: 'Records of a subscription, or with rooms, that one change of a related record may concern',
  }),
  relatedChanges: countKey(5000, {
    what: 'Changes of one table that are undone when a subscription with related records resumes',
  }),
  scan: countKey(100_000, { what: 'Records of a table that a filter or sort without an index may read' }),
  filterLength: sizeKey('4KiB', { what: 'Characters of all conditions of a query together' }),
  filterConditions: countKey(32, { what: 'Conditions in one filter' }, { max: 1000 }),
  filterDepth: countKey(5, { what: 'Nesting of a filter' }, { max: 100 }),
  filterValues: countKey(200, { what: 'Values in one list of a filter' }, { max: 10_000 }),
  filterPattern: countKey(128, { what: 'Characters of a pattern in a filter' }, { max: 10_000 }),
  id: countKey(256, { what: 'Characters of an id' }, { max: 4096 }),
  listCache: sizeKey(
    '16MiB',
    { what: 'Memory of an application for pages of lists that have not changed since they were read; 0: no cache' },
    { min: 0 },
  ),
  recordCache: sizeKey(
    '16MiB',
    { what: 'Memory of an application for records that were read last; 0: no cache' },
    { min: 0 },
  ),
  connections: countKey(10_000, { what: 'Open streams (WebSocket and Server-Sent Events)' }),
  connectionsPerAddress: countKey(200, { what: 'Open streams of one address; 0: no limit' }, { min: 0 }),
  connectionsPerPrincipal: countKey(50, { what: 'Open streams of one principal; 0: no limit' }, { min: 0 }),
  newConnectionsPerSecond: countKey(
    20,
    { what: 'Streams that one address opens per second, on average; 0: no limit' },
    { min: 0 },
  ),
  newConnectionsBurst: countKey(100, { what: 'Streams that one address opens at once' }),
  requestsPerSecond: countKey(
    100,
    { what: 'Requests per second of one principal, on average; 0: no limit' },
    { min: 0 },
  ),
  requestsBurst: countKey(200, { what: 'Requests of one principal at once' }),
  anonymousRequestsPerSecond: countKey(
    20,
    { what: 'Requests per second of one address without a principal, on average; 0: no limit' },
    { min: 0 },
  ),
  anonymousRequestsBurst: countKey(100, { what: 'Requests of one address without a principal at once' }),
  rateLoopback: booleanKey(false, { what: 'Whether the limits of addresses also apply to clients on this machine' }),
  eventLoopDelay: durationKey(
    '1s',
    { what: 'Delay of the event loop above which requests are refused; 0: no limit' },
    { min: 0 },
  ),
  subscriptions: countKey(
    100,
    { what: 'Subscriptions of one connection of protocol v1 or the multiplexed protocol' },
    { max: 10_000 },
  ),
  message: sizeKey('512KiB', { what: 'One message of a WebSocket client' }),
  messageFragments: countKey(1024, { what: 'Fragments of one message' }),
  messageChunks: countKey(4096, { what: 'Buffered pieces of one message' }),
  waitingMessages: countKey(100, {
    what: 'Messages of one WebSocket that wait to be handled; beyond it, or more bytes than `limits.message`, nothing more is read',
  }),
  messagesPerSecond: countKey(50, { what: 'Messages per second of one connection, on average' }),
  messagesBurst: countKey(100, { what: 'Messages of one connection at once' }),
  shutdown: durationKey('10s', { what: 'How long a stopping server waits for requests to finish' }),
  loginsPerMinute: countKey(10, { what: 'Failed logins of one address, and of one name' }, { max: 10_000 }),
  loginsWaiting: countKey(100, { what: 'Logins that wait for their password to be checked' }, { max: 10_000 }),
  signupsPerMinute: countKey(10, { what: 'New accounts from one address' }, { max: 10_000 }),
  sessionsPerUser: countKey(100, { what: 'Sessions of one user; the oldest are ended first' }, { max: 10_000 }),
  tickets: countKey(10_000, { what: 'Stream tickets that wait to be used' }, { max: 1_000_000 }),
  ticketsPerPrincipal: countKey(
    50,
    { what: 'Stream tickets of one principal; the oldest are removed first' },
    { max: 10_000 },
  ),
};
