import type { onRequestHookHandler } from 'fastify';

/**
 * For routes that want no body: a Content-Type that came with none, as many clients send it always, is not taken for the
 * beginning of one.
 */
export const ignoreEmptyBody: onRequestHookHandler = ({ raw: { headers } }, _reply, done) => {
  const { 'content-length': length = '0', 'transfer-encoding': coding } = headers;
  if (length === '0' && coding === undefined) delete headers['content-type'];
  done();
};
