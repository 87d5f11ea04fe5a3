import { LIST_PARAMETERS } from '../query/list-query.ts';
import { LIVE_SUBPROTOCOLS, SUBPROTOCOLS, USUAL_MEDIA_TYPES } from '../server/content/formats.ts';

/** Features of the REST handlers and channels. The documents describe no others. */
export interface Capabilities {
  /** Content types of records, sent and accepted; the first is the usual one. */
  readonly mediaTypes: readonly [string, ...string[]];
  /** Names for `Sec-WebSocket-Protocol`. */
  readonly subprotocols: readonly string[];
  /** Those of protocol v1. */
  readonly liveSubprotocols: readonly string[];
  /** `PATCH` and `DELETE` on a whole list. */
  readonly bulk: boolean;
  /** `cursor=` and the `Link` header of a list. */
  readonly cursor: boolean;
  /** `count=true` and the `X-Total-Count` header of a list. */
  readonly count: boolean;
  /** `delta=true` of a channel. */
  readonly delta: boolean;
  /** The header `Idempotency-Key`. */
  readonly idempotency: boolean;
}

export const CAPABILITIES: Capabilities = {
  mediaTypes: USUAL_MEDIA_TYPES,
  subprotocols: [...SUBPROTOCOLS.keys()],
  liveSubprotocols: [...LIVE_SUBPROTOCOLS.keys()],
  bulk: true,
  cursor: LIST_PARAMETERS.has('cursor'),
  count: LIST_PARAMETERS.has('count'),
  delta: true,
  idempotency: true,
};
