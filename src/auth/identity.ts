/** Who is asking. There is one kind so far: nobody in particular. */
export type Identity = { readonly type: 'anonymous' };

export const ANONYMOUS: Identity = { type: 'anonymous' };
