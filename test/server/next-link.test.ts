import { expect, test } from 'vitest';
import { makeNextLink } from '../../src/server/response-headers.ts';

test.each([
  ['', '<?cursor=x>; rel="next"'],
  ['limit=2&&sort=-a&', '<?limit=2&sort=-a&cursor=x>; rel="next"'],
  ['cursor=y&limit=2', '<?limit=2&cursor=x>; rel="next"'],
  ['limit=2&offset=4&a=1', '<?limit=2&a=1&cursor=x>; rel="next"'],
  ['cursors=1&a.cursor=2&b=cursor=3', '<?cursors=1&a.cursor=2&b=cursor=3&cursor=x>; rel="next"'],
  ['%63ursor=y&off%73et=1&limit=2', '<?limit=2&cursor=x>; rel="next"'],
  ['%ff=1', '<?%ff=1&cursor=x>; rel="next"'],
  ['a<1&b>"2"', '<?a%3C1&b%3E%222%22&cursor=x>; rel="next"'],
])('the next page of ?%s', (rawQuery, expected) => {
  expect(makeNextLink(rawQuery, ['cursor', 'offset'])('x')).toBe(expected);
});
