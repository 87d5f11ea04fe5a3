// What both sides of the lists are filled with.
export const KINDS = 200;
export const AUTHORS = 1000;

/** The same records on every side; prices of one kind differ and are in no order. */
export function makeProduct(i) {
  return {
    id: `product-${String(i).padStart(6, '0')}`,
    name: `Product number ${i}`,
    kind: `kind-${i % KINDS}`,
    shelf: `shelf-${i % KINDS}`,
    price: (i * 7919) % 1_000_003,
    authorId: `author-${i % AUTHORS}`,
  };
}

export function makeAuthor(i) {
  return { id: `author-${i}`, name: `Author ${i}` };
}
