import { describe, expect, test } from 'vitest';
import { AppError } from '../../src/errors.ts';
import { parse } from './products.ts';

function refusal(query: string): AppError {
  try {
    parse(query);
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error(`${query} was taken`);
}

function expectRefusal(query: string, parameter: string, message: string): void {
  const error = refusal(query);
  expect(error.code).toBe('INVALID_QUERY');
  expect(error.errors).toEqual([{ field: parameter, message: expect.stringContaining(message) }]);
  expect(error.message).toBe(`${parameter}: ${error.errors?.[0]?.message}`);
}

describe('an error in the query string is reported with its column', () => {
  test.each([
    ['prise=gt=5', 'prise', 'column 1: Product has no field or parameter "prise"; did you mean "price"?'],
    ['title=x&prise=5', 'prise', 'column 9: Product has no field or parameter "prise"; did you mean "price"?'],
    ['limt=5', 'limt', 'column 1: Product has no field or parameter "limt"; did you mean "limit"?'],
    ['steam=sse', 'steam', 'did you mean "stream"?'],
    ['TITLE=x', 'TITLE', 'did you mean "title"?'],
    ['zzz=1', 'zzz', 'column 1: Product has no field or parameter "zzz"'],
    ['__proto__=1', '__proto__', 'no field or parameter "__proto__"'],
    ['constructor=1', 'constructor', 'no field or parameter "constructor"'],
    ['toString==1', 'toString', 'no field or parameter "toString"'],
    ['maker.nam=x', 'maker.nam', 'column 7: Maker has no field "nam"; did you mean "name"?'],
    ['maker.constructor=x', 'maker.constructor', 'Maker has no field "constructor"'],
    ['title.length=1', 'title.length', 'column 7: title is a String and has no field "length"'],
    ['maker.=x', 'maker.', 'column 7: Maker has no field ""'],
    ['.title=x', '.title', 'no field or parameter ""'],
    ['stock=abc', 'stock', 'column 7: expected an Int (an integer within ±(2^53−1)), found "abc"'],
    ['stock=1.5', 'stock', 'expected an Int'],
    ['stock=', 'stock', 'expected an Int (an integer within ±(2^53−1)), found ""'],
    ['stock=+5', 'stock', 'found " 5"'],
    ['stock=0x10', 'stock', 'expected an Int'],
    ['stock=007', 'stock', 'expected an Int'],
    ['stock=9007199254740992', 'stock', 'expected an Int'],
    ['stock=string:5', 'stock', 'found "string:5"'],
    ['stock===null', 'stock', 'expected an Int'],
    ['serial=9223372036854775808', 'serial', 'expected a Long (an integer of at most 64 bits)'],
    ['serial=1e3', 'serial', 'expected a Long'],
    ['price=1e400', 'price', 'expected a Float (a finite number), found "1e400"'],
    ['price=1e-400', 'price', 'expected a Float (a number that is not too small), found "1e-400"'],
    ['price=NaN', 'price', 'expected a Float'],
    ['price=1,5', 'price', 'expected a Float'],
    ['price=.5', 'price', 'expected a Float'],
    ['active=yes', 'active', 'column 8: expected a Boolean (true or false), found "yes"'],
    ['active=1', 'active', 'expected a Boolean'],
    ['made=yesterday', 'made', 'expected a Date (ISO 8601'],
    ['made=2025-02-30', 'made', 'expected a Date'],
    ['made=2025-01-01T10:00:00+01:00', 'made', 'in a query string + is written %2B'],
    ['kind=TOI', 'kind', 'column 6: expected a Kind (TOOL, TOY, BOOK), found "TOI"; did you mean "TOY"?'],
    ['kind=toy', 'kind', 'did you mean "TOY"?'],
    ['kind=T*', 'kind', '* matches any characters and works on String and ID only'],
    ['price=1*', 'price', 'column 7: * matches any characters'],
    ['kind>TOY', 'kind', 'column 1: kind is a Kind, which has no order for a comparison'],
    ['active=gt=false', 'active', 'which has no order'],
    ['kind=gele=TOY,TOOL', 'kind', 'which has no order for a range'],
    ['price=gt=null', 'price', 'column 10: null has no order: test it with ==null or !=null'],
    ['price=gele=1,null', 'price', 'column 14: null has no order'],
    ['price=gele=1', 'price', 'a range takes two values, such as 10,100; found 1'],
    ['price=gele=1,2,3', 'price', 'found 3'],
    ['price=in=1,x', 'price', 'column 12: expected a Float'],
    ['price=in=', 'price', 'expected a Float'],
    ['price=ct=1', 'price', 'column 1: price is a Float: =ct=, =sw= and =ew= work on String and ID only'],
    ['sizes=sw=1', 'sizes', 'sizes is a list of Int: =ct=, =sw= and =ew= work on String and ID only'],
    ['sizes=ct=x', 'sizes', 'expected an Int'],
    ['maker=x', 'maker', 'maker is an object: compare one of its fields, such as maker.name'],
    ['parts=ct=x', 'parts', 'such as parts.name'],
    ['extra=1', 'extra', 'extra is JSON: it can only be tested with ==null and !=null'],
    ['extra>1', 'extra', 'extra is JSON'],
    ['title=~=^A', 'title', 'regular expressions are not supported'],
    ['title=ft=--', 'title', 'column 10: =ft= looks for words, and there is no letter and no digit'],
    ['stock=ft=9', 'stock', '=ft= looks for words in String and ID only'],
    ['price=gx=5', 'price', 'column 6: no operator "=gx="; did you mean "gt"?'],
    ['price=greater=5', 'price', 'no operator "=greater="; in a value = is written %3D'],
    ['title', 'title', 'column 6: expected an operator such as == after "title", found the end'],
    ['title%3D%3Dx', 'title', 'expected an operator such as == after "title", found "%3D%3Dx"'],
    ['title&stock=1', 'title', 'column 6: expected an operator'],
    ['sort(-price)', 'sort', 'column 5: expected = after the parameter sort, found "(-price)"'],
    ['limit>5', 'limit', 'column 6: expected = after the parameter limit'],
    ['limit', 'limit', 'expected = after the parameter limit, found the end'],
    ['limit=5&limit=6', 'limit', 'is given twice'],
    ['filter=id==1&filter=id==2', 'filter', 'is given twice'],
    ['stream=sse&stream=ws', 'stream', 'is given twice'],
    ['(limit=5)', 'limit', 'column 2: limit is a parameter here and stands alone between &'],
    ['title=x|limit=5', 'limit', 'column 9: limit is a parameter here'],
    ['!limit=5', 'limit', 'column 2: limit is a parameter here'],
    ['limit=5|title=x', 'limit', 'expected an integer from 1 to 1000, found "5|title=x"'],
    ['=5', 'query', 'column 1: expected a field, found "=5"'],
    ['title=x|', 'query', 'column 9: expected a field, found the end'],
    ['title=x||stock=1', 'query', 'column 9: expected a field, found "|stock=1"'],
    ['|title=x', 'query', 'column 1: expected a field'],
    ['limit=5&|title=x', 'query', 'column 9: expected a field'],
    ['title=x|&stock=1', 'query', 'column 9: expected a field'],
    ['limit=5&&|title=x', 'query', 'expected a field'],
    ['!', 'query', 'column 2: expected a field, found the end'],
    ['()', 'query', 'column 2: expected a field, found ")"'],
    ['(title=x', 'query', 'column 9: expected ) for the ( at column 1, found the end'],
    ['stock=1&[title=x)', 'query', 'column 17: expected ] for the [ at column 9, found ")"'],
    ['(title=x))', 'query', 'column 10: expected &, | or the end, found ")"'],
    ['title=a)b', 'query', 'column 8: expected &, | or the end, found ")b"; in a value ) is written %29'],
    ['title=a]', 'query', 'in a value ] is written %5D'],
    ['title=a(b)', 'title', 'column 8: in a value ( is written %28'],
    ['title=[a]', 'title', 'column 7: in a value [ is written %5B'],
    ['title=in=(a', 'title', 'column 12: expected , or ) in the list, found the end'],
    ['title=in=(a)b', 'query', 'column 13: expected &, | or the end, found "b"'],
    ['title=%zz', 'title', 'column 7: % is followed by two hexadecimal digits; the character itself is %25'],
    ['title=100%', 'title', 'column 10: % is followed by two hexadecimal digits'],
    ['title=%ff', 'title', 'column 7: the escapes are not UTF-8'],
    ['title=%ed%a0%80', 'title', 'the escapes are not UTF-8'],
    ['title=a%00b', 'title', 'column 7: a value holds no NUL character'],
    ['title=Crêpe', 'query', 'column 9: spaces and characters beyond ASCII are percent-encoded in a query string'],
    ['title=a b', 'query', 'column 8: spaces and characters'],
    ['stream=%00', 'stream', 'a value holds no NUL character'],
  ])('%s', (query, parameter, message) => {
    expectRefusal(query, parameter, message);
  });
});

describe('an error in filter= is reported with its column in the decoded text', () => {
  test.each([
    ['', 'column 1: expected a field, found the end'],
    ['prise==5', 'column 1: Product has no field "prise"; did you mean "price"?'],
    ['title==é😀;prise==5', 'column 11: Product has no field "prise"'],
    ['stream==1', 'column 1: Product has no field "stream"'],
    ['title == x ; stock == y', 'column 23: expected an Int'],
    ['title==x;', 'column 10: expected a field, found the end'],
    ['title==x,,stock==1', 'column 10: expected a field, found ",stock==1"'],
    ['(title==x', 'column 10: expected ) for the ( at column 1'],
    ['title==x)', 'column 9: expected &, | or the end, found ")"'],
    ['title==a(b', 'column 9: put a value with brackets in quotes'],
    ['title==Hello, World', 'column 15: Product has no field "World"'],
    ['title=="x', 'column 8: expected a closing "'],
    ['title==a"b"', 'column 9: quotes must enclose the whole value'],
    ['title=="a"b', 'column 11: expected &, | or the end, found "b"'],
    ['title=="\\x"', 'column 8: expected a string with the escapes of JSON'],
    ['title=="\\ud800"', 'column 8: the text is not well-formed Unicode'],
    ['title=="\\u0000"', 'column 8: a value holds no NUL character'],
    ['title==a\0', 'a value holds no NUL character'],
    ['title=in=a,b', 'column 10: expected ( since a list is written (a,b) in filter=, found "a,b"'],
    ['price=gele=1,2', 'expected ( since a list is written (a,b)'],
    ['title=in=(a;b)', 'column 12: expected , or ) in the list, found ";b)"'],
    ['title=in=()', undefined],
    ['stock=in=()', 'column 11: expected an Int'],
    ['stock=="null"', 'column 8: expected an Int (an integer within ±(2^53−1)), found "null"'],
    ['price=gx=5', 'column 6: no operator "=gx="; did you mean "gt"?'],
    ['title=abc=', 'column 6: no operator "=abc="; put the value in quotes'],
    ['title==x stock==1', undefined],
    ['!(!(!(!(!(!(id==1))))))', 'column 6: groups and ! nest at most 5 deep'],
  ])('%s', (filter, message) => {
    const query = `filter=${encodeURIComponent(filter)}`;
    if (message === undefined) expect(parse(query).filter).toBeDefined();
    else expectRefusal(query, 'filter', message);
  });
});

describe('an error in the other parameters', () => {
  test.each([
    ['limit=0', 'limit', 'expected an integer from 1 to 1000, found "0"'],
    ['limit=1001', 'limit', 'expected an integer from 1 to 1000, found "1001"'],
    ['limit=1e3', 'limit', 'found "1e3"'],
    ['limit=', 'limit', 'found ""'],
    ['limit=-5', 'limit', 'found "-5"'],
    ['limit=99999999999999999999', 'limit', 'expected an integer'],
    ['offset=-1', 'offset', 'expected an integer from 0'],
    ['offset=x', 'offset', 'found "x"'],
    ['sort=prise', 'sort', 'column 1: Product has no field "prise"; did you mean "price"?'],
    ['sort=-title,-prise', 'sort', 'column 8: Product has no field "prise"'],
    ['sort=', 'sort', 'column 1: expected a field'],
    ['sort=-', 'sort', 'expected a field'],
    ['sort=title,', 'sort', 'column 7: expected a field'],
    ['sort=--title', 'sort', 'no field "-title"; did you mean "title"?'],
    ['sort=title,-title', 'sort', 'column 7: title is named twice'],
    ['sort=tags', 'sort', 'column 1: tags is a list of String, which has no order'],
    ['sort=maker', 'sort', 'which has no order'],
    ['sort=extra', 'sort', 'extra is a JSON, which has no order'],
    ['sort=title%20desc', 'sort', 'no field "title desc"'],
    ['sort=rowid', 'sort', 'no field "rowid"'],
    ['select=nope', 'select', 'column 1: Product has no field "nope"'],
    ['select=-title', 'select', 'no field "-title"; did you mean "title"?'],
    ['select=*,*', 'select', 'column 3: * is named twice'],
    ['select=**', 'select', 'no field "**"'],
    ['select=title{id}', 'select', 'column 1: title is not a relation and takes no { }'],
    ['select=title}', 'select', 'column 6: expected , or the end, found "}"'],
    ['cursor=x', 'cursor', 'is not a cursor of this server'],
    ['cursor=', 'cursor', 'is not a cursor of this server'],
    ['count=yes', 'count', 'expected true or false, found "yes"'],
    ['offset=1&cursor=WyJpZCIsImEiXQ', 'cursor', 'cannot be combined'],
    ['sort=title&cursor=WyJpZCIsImEiXQ', 'cursor', 'was made for a list with another sort; this one is title,id'],
    ['cursor=WyJpZCIsbnVsbF0', 'cursor', 'is not a cursor of this server'],
    ['select=title,title', 'select', 'column 7: title is named twice'],
    ['select=_seq', 'select', 'no field "_seq"'],
  ])('%s', (query, parameter, message) => {
    expectRefusal(query, parameter, message);
  });

  test('never returns kilobytes of the request', () => {
    const long = 'x'.repeat(4000);
    for (const query of [
      `${long}=1`,
      `stock=${long}`,
      `limit=${long}`,
      `sort=${long}`,
      `title${long}`,
      `title=${long}*`,
    ]) {
      expect(refusal(query).message.length).toBeLessThan(400);
    }
  });
});
