/** Who is asking: nobody in particular, or code that runs in the server itself. */
export type Identity = { readonly type: 'anonymous' } | { readonly type: 'server' };

export const ANONYMOUS: Identity = { type: 'anonymous' };
export const SERVER: Identity = { type: 'server' };
