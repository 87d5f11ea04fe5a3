import type { onRequestHookHandler } from 'fastify';

/**
 * Removes the Content-Type of a request without a body. Many clients always send one, and Fastify would then refuse the
 * missing body. For routes that need no body.
 */
export const ignoreEmptyBody: onRequestHookHandler = ({ raw: { headers } }, _reply, done) => {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  if (length === '0' && coding === undefined) delete headers['content-type'];
  done();
};
